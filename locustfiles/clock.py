"""The run's clock, shared by every process of the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class RunClock:
    """Reads seconds since the run's start (``t_s``) from the machine's monotonic clock."""

    t0_monotonic_s: float
    monotonic_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time

    def now(self) -> float:
        """Return ``t_s``, seconds."""
        return self.monotonic_s() - self.t0_monotonic_s

    def wall_time(self, t_s: float) -> str:
        """Return the wall time that belongs to ``t_s``, in UTC, ISO 8601 with milliseconds."""
        wall_s = self.wall_s() - (self.now() - t_s)
        return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds")
