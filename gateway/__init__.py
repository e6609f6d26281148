"""The system under test: an API gateway that leaks, and one that does not."""
