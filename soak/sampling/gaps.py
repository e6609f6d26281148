"""Readings that were missed: counted, and reported once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable


class Gaps:
    """Counts missed readings; reports when a row of them begins and ends, not each one."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._missing: Counter[str] = Counter()
        self.total: Counter[str] = Counter()

    def missed(self, reading: str, why: str, count: int = 1) -> None:
        """``count`` readings were missed."""
        if not self._missing[reading]:
            self._report(f"{reading}: {why}")
        self._missing[reading] += count
        self.total[reading] += count

    def read(self, reading: str) -> None:
        """The reading worked."""
        if count := self._missing.pop(reading, 0):
            self._report(f"{reading}: back after {count} missed")
