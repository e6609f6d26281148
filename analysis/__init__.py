"""From a run directory to a report: load, check, compare, draw."""
