"""Addresses of containers and types go in; the paths of references that retain them come out."""
