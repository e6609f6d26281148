"""Whether two versions of the code make the same reports of the same recordings."""
