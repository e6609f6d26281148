"""Many runs of one profile: their summaries go in; a table, a figure and what changed with which run come out."""
