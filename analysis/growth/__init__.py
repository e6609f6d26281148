"""A recording and its verdicts go in; what grew in each arm and what retains it come out."""
