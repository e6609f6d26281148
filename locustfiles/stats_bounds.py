"""Bounds the memory of Locust's own statistics, which grow with every second of a run."""

from __future__ import annotations

import time
from collections.abc import Callable

from locust.env import Environment
from locust.stats import StatsEntry

TRIM_EVERY_S = 10
KEEP_S = 60
"""Newest per-second counts that are kept, seconds with a request; Locust's current rate needs 12 s."""
KEEP_HISTORY = 360
"""Number of history rows kept, one per 5 s: half an hour."""
KEEP_ERRORS = 100
"""Number of distinct errors kept."""
KEEP_NAMES = 500
"""Number of request names kept, the most frequent ones; in a custom locustfile each order may have its own."""


def bound_statistics(environment: Environment, clock: Callable[[], float] = time.monotonic) -> None:
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
        for entry in stats.entries.values():
            # copies of its times of 20 s, up to 400 KB, of which Locust shows only those of the total
            entry.use_response_times_cache, entry.response_times_cache = False, None
        for entry in (stats.total, *stats.entries.values()):
            _drop_oldest(entry)
        del stats.history[:-KEEP_HISTORY]
        for key in list(stats.errors)[:-KEEP_ERRORS]:
            del stats.errors[key]

    environment.events.request.add_listener(on_event)
    environment.events.worker_report.add_listener(on_event)


def _drop_oldest(entry: StatsEntry) -> None:
    """Drop by the order in which they came: their keys are seconds of the wall clock, which may step."""
    for per_second in (entry.num_reqs_per_sec, entry.num_fail_per_sec):
        for second in list(per_second)[:-KEEP_S]:
            del per_second[second]
