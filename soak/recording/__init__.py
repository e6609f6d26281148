"""Writes the run directory: rows, events and whole files go in, files that survive a kill come out."""
