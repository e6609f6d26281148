"""The load: one Locust process drives the same seeded requests at every arm."""
