"""Bounds the memory of Locust's own statistics, which grow with every second of a run."""

from __future__ import annotations

import time
from collections.abc import Callable

from locust.env import Environment
from locust.stats import StatsEntry

TRIM_EVERY_S = 10
KEEP_S = 60
"""Age of the per-second counts that are kept, seconds; Locust's current rate needs 12 s."""
KEEP_HISTORY = 720
"""Number of history rows kept, one per 5 s: an hour."""
KEEP_ERRORS = 100
"""Number of distinct errors kept."""
KEEP_NAMES = 500
"""Number of request names kept, the most frequent ones; in a custom locustfile each order may have its own."""


class StatsBounds:
    """Drops old per-second counts, history rows and errors, and rare request names, as requests or reports come."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._environment: Environment | None = None
        self._next_s = 0.0

    def register(self, environment: Environment) -> None:
        """Trim the environment's statistics from now on."""
        self._environment = environment
        for event in (environment.events.request, environment.events.worker_report):
            event.add_listener(self._on_event)

    def close(self) -> None:
        """Stop; idempotent."""
        if self._environment is not None:
            for event in (self._environment.events.request, self._environment.events.worker_report):
                event.remove_listener(self._on_event)
            self._environment = None

    def _on_event(self, **_: object) -> None:
        now_s = self._clock()
        if self._environment is None or now_s < self._next_s:
            return
        self._next_s = now_s + TRIM_EVERY_S
        stats = self._environment.stats
        fewest_first = sorted(stats.entries, key=lambda name: stats.entries[name].num_requests)
        for name in fewest_first[:-KEEP_NAMES]:
            del stats.entries[name]  # their requests stay in the total
        for entry in (stats.total, *stats.entries.values()):
            _drop_before(entry, int(now_s) - KEEP_S)
        del stats.history[:-KEEP_HISTORY]
        for key in list(stats.errors)[:-KEEP_ERRORS]:
            del stats.errors[key]


def _drop_before(entry: StatsEntry, before_s: int) -> None:
    for per_second in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
        for second in [second for second in per_second if second < before_s]:
            del per_second[second]
