"""The cache of the published fix."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any


class LRUCache:
    """At most ``max_size`` values, each for ``ttl`` seconds; the least recently used one makes room.

    As published, and kept so to be measured: ``put`` looks at every timestamp, which costs O(entries).
    """

    def __init__(self, max_size: int, ttl: float, clock: Callable[[], float] = time.time) -> None:
        self._max_size = max_size
        self._ttl = ttl
        self._clock = clock
        self._values: OrderedDict[str, Any] = OrderedDict()
        self._timestamps: dict[str, float] = {}

    def get(self, key: str) -> Any:
        """Return the value and make it the youngest; None when there is none or it has expired."""
        if key not in self._values:
            return None
        if self._clock() - self._timestamps[key] > self._ttl:
            self._remove(key)
            return None
        self._values.move_to_end(key)
        return self._values[key]

    def put(self, key: str, value: Any) -> None:
        """Drop all that has expired, then the oldest while the cache is full, and keep the value."""
        now = self._clock()
        for expired in [other for other, put_at in self._timestamps.items() if now - put_at > self._ttl]:
            self._remove(expired)
        while len(self._values) >= self._max_size:
            self._remove(next(iter(self._values)))
        self._values[key] = value
        self._timestamps[key] = now

    def clear(self) -> None:
        """Drop everything."""
        self._values.clear()
        self._timestamps.clear()

    def get_size(self) -> int:
        """Return how many values are held, expired ones included."""
        return len(self._values)

    def _remove(self, key: str) -> None:
        del self._values[key]
        del self._timestamps[key]
