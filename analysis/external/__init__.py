"""Recordings of other tools: a file or a DataFrame goes in, one signal to judge comes out."""
