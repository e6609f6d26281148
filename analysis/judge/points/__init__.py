"""Readings go in, at most a hundred points with what loads them come out."""
