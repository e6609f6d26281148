"""Points go in; candidate models, their fits and the posterior of the leak rate come out."""
