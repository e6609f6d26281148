"""Recordings of one fault at a time go in; what each fault leaks comes out, as text and figure."""
