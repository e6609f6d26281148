"""Readings that were missed: counted, and reported once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable


class Gaps:
    """Counts missed readings; reports when a row of them begins and ends, not each one. Threads may share it."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._lock = threading.Lock()
        self._missing: Counter[str] = Counter()
        self.total: Counter[str] = Counter()

    def missed(self, reading: str, why: str, count: int = 1) -> None:
        """``count`` readings were missed."""
        with self._lock:
            is_first = not self._missing[reading]
            self._missing[reading] += count
            self.total[reading] += count
        if is_first:
            self._report(f"{reading}: {why}")

    def read(self, reading: str) -> None:
        """The reading worked."""
        with self._lock:
            count = self._missing.pop(reading, 0)
        if count:
            self._report(f"{reading}: back after {count} missed")
