"""Upkeep: bounds what Locust's own statistics keep for every second of a run."""

from __future__ import annotations

import time
from collections.abc import Callable

from locust.env import Environment
from locust.stats import StatsEntry

EVERY_S = 10
KEEP_S = 60
"""Locust's current rate looks 12 s back."""
KEEP_HISTORY = 720
"""Rows of the history, one per 5 s: an hour."""
KEEP_ERRORS = 100
KEEP_NAMES = 500
"""Names of requests with figures of their own: in a team's file each order may have one."""


class StatsUpkeep:
    """Drops per-second counts, history rows and errors that are old, and names of requests that are rare.

    It does so while requests or workers' reports come.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._environment: Environment | None = None
        self._next_s = 0.0

    def register(self, environment: Environment) -> None:
        """Start to look after the environment's statistics."""
        self._environment = environment
        for event in (environment.events.request, environment.events.worker_report):
            event.add_listener(self._on_news)

    def close(self) -> None:
        """Stop; idempotent."""
        if self._environment is not None:
            for event in (self._environment.events.request, self._environment.events.worker_report):
                event.remove_listener(self._on_news)
            self._environment = None

    def _on_news(self, **_: object) -> None:
        now_s = self._clock()
        if self._environment is None or now_s < self._next_s:
            return
        self._next_s = now_s + EVERY_S
        stats = self._environment.stats
        fewest_first = sorted(stats.entries, key=lambda name: stats.entries[name].num_requests)
        for name in fewest_first[:-KEEP_NAMES]:
            del stats.entries[name]  # the total has counted them
        for entry in (stats.total, *stats.entries.values()):
            _forget(entry, int(now_s) - KEEP_S)
        del stats.history[:-KEEP_HISTORY]
        for key in list(stats.errors)[:-KEEP_ERRORS]:
            del stats.errors[key]


def _forget(entry: StatsEntry, before_s: int) -> None:
    for per_second in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
        for second in [second for second in per_second if second < before_s]:
            del per_second[second]
