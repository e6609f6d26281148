"""A task that watches the process's own memory and warns of it."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final

from gateway.diagnostics import process_memory_bytes

WATCH_EVERY_S: Final = 10.0
WINDOW_S: Final = 300.0
REPEAT_S: Final = 300.0

WINDOW_READINGS: Final = round(WINDOW_S / WATCH_EVERY_S) + 1
"""As many as span the window."""

logger = logging.getLogger("gateway")


class MemoryWatchdog:
    """Warns of resident memory above a level, and of growth above a rate; of each at most once in REPEAT_S.

    The rate is that of the last WINDOW_S; until so much time has passed there is none.
    """

    def __init__(
        self,
        memory_bytes: float,
        growth_bytes_per_s: float,
        *,
        read: Callable[[], int] = process_memory_bytes,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._memory_bytes = memory_bytes
        self._growth_bytes_per_s = growth_bytes_per_s
        self._read = read
        self._clock = clock
        self._sleep = sleep
        self._readings: deque[tuple[float, int]] = deque(maxlen=WINDOW_READINGS)
        self._warned_at_s: dict[str, float] = {}

    async def run(self) -> None:
        """Check every WATCH_EVERY_S until cancelled."""
        while True:
            self.check()
            await self._sleep(WATCH_EVERY_S)

    def check(self) -> None:
        """Read the memory once, and warn if there is reason to."""
        now_s, size_bytes = self._clock(), self._read()
        self._readings.append((now_s, size_bytes))
        if size_bytes > self._memory_bytes:
            self._warn(
                "level",
                now_s,
                f"memory above the threshold: {size_bytes / 1e6:.0f} MB, more than {self._memory_bytes / 1e6:.0f} MB",
            )
        rate = self._growth_rate()
        if rate is not None and rate > self._growth_bytes_per_s:
            self._warn(
                "growth",
                now_s,
                f"memory grows: {rate / 1e3:.0f} kB/s over {WINDOW_S:.0f} s, "
                f"more than {self._growth_bytes_per_s / 1e3:.0f} kB/s",
            )

    def _growth_rate(self) -> float | None:
        if len(self._readings) < WINDOW_READINGS:
            return None
        (first_s, first_bytes), (last_s, last_bytes) = self._readings[0], self._readings[-1]
        return (last_bytes - first_bytes) / (last_s - first_s)

    def _warn(self, reason: str, now_s: float, message: str) -> None:
        if now_s - self._warned_at_s.get(reason, -math.inf) >= REPEAT_S:
            self._warned_at_s[reason] = now_s
            logger.warning(message)
