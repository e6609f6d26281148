"""A profile as written goes in; a checked one, in bytes, seconds and requests, comes out."""
