"""Reads a run directory: a path goes in, a ``Recording`` of phases, arms, lives and tables comes out."""
