"""A recording of the demo goes in; the published incident's table, claims and timeline beside it come out."""
