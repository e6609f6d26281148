"""The clients of Locust's users go in; whatever a target answers, its memory, time and share of the CPU are bounded."""
