"""Whether requests may be sent: from an order on, until there were enough of them and its time is over."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Final

from gevent.event import Event

MOST_NAMES: Final = 500
"""Names that are counted; in a custom locustfile each order may have its own, and those beyond are counted as ""."""
LONGEST_NAME: Final = 200
"""Characters of a name that are kept; names that differ only beyond are counted as one."""
MOST_NAMES_TEXT: Final = 100_000
"""Characters of all names and counts as JSON, beyond which a name is counted as "": a cell read has at most 131,072."""
COUNT_TEXT: Final = 16
"""Characters of a count as JSON at most, with its separators."""


class Gate:
    """Lets requests through while a period lasts, and counts them. Closed at first."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.in_flight = 0
        """Requests that were sent and have not ended."""
        self.names: Counter[str] = Counter()
        """Requests that were sent since the start, by their name."""
        self.failed: Counter[str] = Counter()
        """Requests that failed since the start, by their kind of failure."""
        self._text = 0
        self._now_s = now_s
        self._open = Event()
        self._least = 0
        self._sent = 0
        self._until_s = 0.0

    @property
    def is_open(self) -> bool:
        """Whether a period lasts."""
        return bool(self._open.is_set())

    def open(self, least: int, seconds: float) -> None:
        """Begin a period, which ends after so many requests and so many seconds, whatever comes last."""
        self._least, self._sent = least, 0
        self._until_s = self._now_s() + seconds
        self._open.set()

    def close(self) -> None:
        """End the period; requests in flight still end."""
        self._open.clear()

    def check(self) -> None:
        """End the period if it is over."""
        if self._sent >= self._least and self._now_s() >= self._until_s:
            self.close()

    def wait(self) -> None:
        """Wait until a request may be sent; the caller sends one then."""
        while True:
            self.check()
            if self.is_open:
                return
            self._open.wait()

    def sent(self, name: str) -> None:
        """Count a request that is being sent."""
        self._sent += 1
        self.in_flight += 1
        self.names[self._counted(name[:LONGEST_NAME])] += 1

    def ended(self, failure: str | None = None) -> None:
        """Count a request that was answered well (None) or failed, by its kind of failure."""
        self.in_flight -= 1
        if failure is not None:
            self.failed[failure] += 1

    def _counted(self, name: str) -> str:
        """Return the name that a request is counted as: its own, or "" where there is no room for one more."""
        if name in self.names:
            return name
        text = self._text + len(json.dumps(name)) + COUNT_TEXT
        if len(self.names) >= MOST_NAMES or text > MOST_NAMES_TEXT:
            return ""
        self._text = text
        return name
