"""The run's clock, shared by every process of the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class RunClock:
    """Seconds since the run's start (``t_s``), on the monotonic clock that every process of this machine shares."""

    t0_monotonic_s: float = field(default_factory=time.monotonic)
    monotonic_s: Callable[[], float] = time.monotonic
    wall_s: Callable[[], float] = time.time

    def now_s(self) -> float:
        """Return ``t_s``, seconds since the run's start."""
        return self.monotonic_s() - self.t0_monotonic_s

    def wall_time(self, t_s: float | None = None) -> str:
        """Return the wall time of ``t_s``, by default of now: UTC, ISO 8601 with milliseconds."""
        age_s = 0.0 if t_s is None else self.now_s() - t_s
        return datetime.fromtimestamp(self.wall_s() - age_s, UTC).isoformat(timespec="milliseconds")
