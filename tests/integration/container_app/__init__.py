"""A service for images of tests: it answers every request, and keeps what the environment orders."""
