"""The report's contents go in, Markdown comes out."""
