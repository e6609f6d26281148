"""Container images made from a Python of this machine and its installed packages, without a registry."""
