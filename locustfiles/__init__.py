"""The load: Locust sends the same seeded requests, or the same custom users, to every arm."""
