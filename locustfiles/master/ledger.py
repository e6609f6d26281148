"""The ledger of one load: what was planned, and what the senders report of it, second by second."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from locustfiles.counts import Second
from locustfiles.messages import Report


@dataclass(frozen=True, slots=True)
class Row:
    """A second (``t_s``) of which all is known."""

    second: int
    planned: int
    arms: dict[str, Second]


class Ledger:
    """Adds up the reports of the senders, and counts as missed what a sender that is gone has not sent.

    Request i is in the share of sender i modulo their number. So of every load the requests planned are those sent and
    those missed.
    """

    def __init__(
        self, starts_s: Iterable[float], first_s: int, arms: Sequence[str], senders: Sequence[str]
    ) -> None:
        """Take the planned starts of the whole load, its first second, and the senders in the order of their shares."""
        self._starts = enumerate(starts_s)
        self._start = next(self._starts, None)
        self._first_s = first_s
        self._next_s = first_s
        self._arms = arms
        self._senders = senders
        self._end_s = math.inf
        self._reported_s = dict.fromkeys(senders, first_s)
        """The first second that a sender has not reported, while its share is not over."""
        self._sums: defaultdict[int, defaultdict[str, Second]] = defaultdict(lambda: defaultdict(Second))
        self._open: Counter[tuple[str, str]] = Counter()
        """Requests of a sender and an arm that were planned in the rows so far, less those sent or missed."""

    @property
    def sending(self) -> tuple[str, ...]:
        """The senders whose share is not over."""
        return tuple(self._reported_s)

    def stop(self, end_s: float) -> None:
        """Count nothing as planned from ``end_s`` on."""
        self._end_s = end_s

    def gone(self, sender: str) -> None:
        """Wait no longer for a sender; what it reports later does not count."""
        del self._reported_s[sender]

    def report(self, sender: str, report: Report) -> None:
        """Add a report; one of a sender that is gone is dropped, since its requests count as missed.

        So is one of an earlier load, from a sender that did not hear of its end.
        """
        if sender not in self._reported_s or report.second < self._first_s:
            return
        for arm, happened in report.arms.items():
            self._sums[report.second][arm].add(happened)
            self._open[sender, arm] -= happened.sent + happened.missed
        if report.last:
            del self._reported_s[sender]
        else:
            self._reported_s[sender] = report.second + 1

    def rows(self) -> Iterator[Row]:
        """Yield the seconds that are complete, in order, each one once."""
        complete_s = min(self._reported_s.values(), default=max(self._sums, default=-1) + 1)
        while self._next_s < complete_s:
            yield self._row(self._next_s)
            self._next_s += 1

    def _row(self, second: int) -> Row:
        planned = self._planned_before(min(second + 1, self._end_s))
        arms = {arm: self._sums[second][arm] for arm in self._arms}
        for share, sender in enumerate(self._senders):
            for arm, happened in arms.items():
                self._open[sender, arm] += planned[share]
                if sender not in self._reported_s:
                    lost = max(0, self._open[sender, arm])
                    happened.missed += lost
                    self._open[sender, arm] -= lost
        del self._sums[second]
        return Row(second, planned.total(), arms)

    def _planned_before(self, t_s: float) -> Counter[int]:
        """Return how many requests of each share are planned before ``t_s`` and were not counted yet."""
        planned: Counter[int] = Counter()
        while self._start is not None and self._start[1] < t_s:
            planned[self._start[0] % len(self._senders)] += 1
            self._start = next(self._starts, None)
        return planned
