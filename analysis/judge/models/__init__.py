"""Points go in, weighted models of what may have made them come out."""
