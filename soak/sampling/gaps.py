"""Readings that were missed: counted, and reported once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection


class Gaps:
    """Counts missed readings; reports when a row of them begins and ends, not each one. Threads may share it.

    ``whose`` tells processes of an arm apart in what is reported. The total does not: a service may start any number.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._missing: Counter[tuple[str, str]] = Counter()
        self.total: Counter[str] = Counter()

    def missed(self, reading: str, why: str, count: int = 1, whose: str = "") -> None:
        """``count`` readings were missed."""
        with self._lock:
            is_first = not self._missing[reading, whose]
            self._missing[reading, whose] += count
            self.total[reading] += count
        if is_first:
            self._report(f"{reading}{whose}: {why}")

    def read(self, reading: str, whose: str = "") -> None:
        """The reading worked."""
        with self._lock:
            count = self._missing.pop((reading, whose), 0)
        if count:
            self._report(f"{reading}{whose}: back after {count} missed")

    def keep_only(self, there: Collection[str]) -> None:
        """Drop the rows of processes that are not among ``there`` any more."""
        with self._lock:
            for one in [one for one in self._missing if one[1] and one[1] not in there]:
                del self._missing[one]
