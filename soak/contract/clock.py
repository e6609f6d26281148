"""The run's clock, shared by every process of the run."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True)
class RunClock:
    """Seconds since the run's start, on the monotonic clock that every process of this machine shares."""

    t0_monotonic_s: float = field(default_factory=time.monotonic)

    def t(self) -> float:
        """Return seconds since the run's start."""
        return time.monotonic() - self.t0_monotonic_s

    def wall(self) -> str:
        """Return the wall time for people, UTC, to the millisecond."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")
