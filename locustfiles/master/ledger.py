"""The ledger of one load: the requests planned, and the workers' reports of them, second by second."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from locustfiles.counts import Second
from locustfiles.messages import SecondReport


@dataclass(frozen=True, slots=True)
class CompleteSecond:
    """A second (``t_s``) that all workers have reported."""

    second: int
    planned: dict[str, int]
    """Requests planned for each arm."""
    arms: dict[str, Second]


class Ledger:
    """Adds up the workers' reports, and counts as missed what a worker that is gone has not sent.

    Request i is in the share of worker i modulo their number. So in every load the number of requests planned is the
    number sent plus the number missed.
    """

    def __init__(
        self, starts_s: Iterable[float] | None, first_s: int, arms: Sequence[str], workers: Sequence[str]
    ) -> None:
        """Take the planned starts of the whole load, its first second, and the workers in the order of their shares.

        Without a plan (None) what is sent counts as planned.
        """
        self._has_plan = starts_s is not None
        self._starts = enumerate(starts_s or ())
        self._start = next(self._starts, None)
        self._first_s = first_s
        self._next_s = first_s
        self._arms = arms
        self._workers = workers
        self._end_s = math.inf
        self._reported_s = dict.fromkeys(workers, first_s)
        """The first second that each worker has not reported, of the workers whose share is not over."""
        self._sums: defaultdict[int, defaultdict[str, Second]] = defaultdict(lambda: defaultdict(Second))
        self._open: Counter[tuple[str, str]] = Counter()
        """Requests of a worker and an arm that were planned in the seconds so far, less those sent or missed."""

    @property
    def sending(self) -> tuple[str, ...]:
        """The workers whose share is not over."""
        return tuple(self._reported_s)

    def stop(self, end_s: float) -> None:
        """Count nothing as planned from ``end_s`` on."""
        self._end_s = end_s

    def gone(self, worker: str) -> None:
        """Wait no longer for a worker, whose share may be over; its later reports do not count."""
        self._reported_s.pop(worker, None)

    def report(self, worker: str, report: SecondReport) -> None:
        """Add a report; one of a worker that is gone is dropped, since its requests count as missed.

        So is one of an earlier load, by a worker that did not receive the stop.
        """
        if worker not in self._reported_s or report.second < self._first_s:
            return
        for arm, counts in report.arms.items():
            self._sums[report.second][arm].add(counts)
            self._open[worker, arm] -= counts.sent + counts.missed
        if report.last:
            del self._reported_s[worker]
        else:
            self._reported_s[worker] = report.second + 1

    def complete(self) -> Iterator[CompleteSecond]:
        """Yield the seconds that are complete, in order, each one once."""
        complete_s = min(self._reported_s.values(), default=max(self._sums, default=-1) + 1)
        while self._next_s < complete_s:
            yield self._completed(self._next_s)
            self._next_s += 1

    def _completed(self, second: int) -> CompleteSecond:
        planned = self._planned_before(min(second + 1, self._end_s))
        arms = {arm: self._sums[second][arm] for arm in self._arms}
        for share, worker in enumerate(self._workers):
            for arm, counts in arms.items():
                self._open[worker, arm] += planned[share]
                if worker not in self._reported_s:
                    lost = max(0, self._open[worker, arm])
                    counts.missed += lost
                    self._open[worker, arm] -= lost
        del self._sums[second]
        total = planned.total()
        return CompleteSecond(
            second, {arm: total if self._has_plan else counts.sent for arm, counts in arms.items()}, arms
        )

    def _planned_before(self, t_s: float) -> Counter[int]:
        """Return how many requests of each share are planned before ``t_s`` and were not counted yet."""
        planned: Counter[int] = Counter()
        while self._start is not None and self._start[1] < t_s:
            planned[self._start[0] % len(self._workers)] += 1
            self._start = next(self._starts, None)
        return planned
