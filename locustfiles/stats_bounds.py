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


def bound_statistics(environment: Environment, clock: Callable[[], float] = time.time) -> None:
    """Drop old per-second counts, history rows and errors, and rare request names, as requests or reports come."""
    stats = environment.stats
    next_s = 0.0

    def on_event(**_: object) -> None:
        nonlocal next_s
        now_s = clock()
        if now_s < next_s:
            return
        next_s = now_s + TRIM_EVERY_S
        fewest_first = sorted(stats.entries, key=lambda name: stats.entries[name].num_requests)
        for name in fewest_first[:-KEEP_NAMES]:
            del stats.entries[name]  # their requests stay in the total
        for entry in (stats.total, *stats.entries.values()):
            _drop_before(entry, int(now_s) - KEEP_S)
        del stats.history[:-KEEP_HISTORY]
        for key in list(stats.errors)[:-KEEP_ERRORS]:
            del stats.errors[key]

    environment.events.request.add_listener(on_event)
    environment.events.worker_report.add_listener(on_event)


def _drop_before(entry: StatsEntry, before_s: int) -> None:
    for per_second in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
        for second in [second for second in per_second if second < before_s]:
            del per_second[second]
