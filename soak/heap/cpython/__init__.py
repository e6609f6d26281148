"""The memory of a CPython process goes in; its objects by type and size come out."""
