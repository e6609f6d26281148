"""The report's contents and its figures go in, one HTML page comes out."""
