"""Which process each kill that a life's limit counts has ended."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from soak.limit.base import Counters, LifeLimit, who_ended

LOOK_EVERY_S: Final = 1.0
LEAVES_WITHIN_S: Final = 3.0
"""Time from a kill until its process is seen to be gone, seconds: the kernel frees some 10 GB meanwhile."""


class CountedKills:
    """The kills of one limit. Nobody is told whom the kernel killed, and only its parent knows how a worker ended.

    So a kill is the end of the worker that leaves first after it. Where none does in time it has ended a process that
    is no life, as a command that a worker runs, and explains the end of no worker that leaves later.
    """

    def __init__(self, limit: LifeLimit) -> None:
        self._limit = limit
        self._of_workers = 0
        self._explained = 0
        """How many kills have ended a worker, or a process that is no life."""
        self._seen: list[tuple[int, float]] = []
        """How many kills were counted when, where that was a new number: those that may still end a worker."""
        self._look_at_s = 0.0

    def look(self, now_s: float) -> None:
        """Notice when kills are counted; to be called often."""
        if now_s < self._look_at_s:
            return
        self._look_at_s = now_s + LOOK_EVERY_S
        kills = self._counted
        if kills > (self._seen[-1][0] if self._seen else self._explained):
            self._seen.append((kills, now_s))
        while self._seen and now_s - self._seen[0][1] > LEAVES_WITHIN_S:
            self._explained = max(self._explained, self._seen.pop(0)[0])

    def killer_of_worker(self) -> str:
        """Return who ended the worker that has just gone: ``kernel`` or ``unknown``."""
        if self._counted <= self._explained:
            return "unknown"
        self._explained += 1
        self._of_workers += 1
        return "kernel"

    def who_ended(self, code: int, counters: Counters, *, asked: bool) -> str:
        """Return who ended the limited process itself; a kill that ended no worker may be its end."""
        kills = counters.oom_kills
        left = counters if kills is None else replace(counters, oom_kills=kills - self._of_workers)
        return who_ended(code, left, asked=asked)

    @property
    def _counted(self) -> int:
        return self._limit.counters().kills_by_limit or 0
