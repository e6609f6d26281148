"""The report's contents go in, text for a terminal comes out."""
