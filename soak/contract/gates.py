"""The gates of a sign-off: their units, relations and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AT_MOST: Final = "<="
AT_LEAST: Final = ">="


@dataclass(frozen=True, slots=True)
class GateKind:
    """A gate that a profile may set."""

    unit: str
    """Unit of its value and its limit: bytes, s, ms, share (of 1), times, count or leak (bytes per s or request)."""
    relation: str
    """Relation of the value to the limit: AT_MOST or AT_LEAST."""
    example: str
    """A limit as a profile writes it."""
    meaning: str
    """What is measured."""


LEAK_VS_BEFORE: Final = "leak_vs_before"
GATES: Final = {
    LEAK_VS_BEFORE: GateKind(
        "leak", AT_MOST, "<= 100 B/request", "leak rate less that of the arm before, with its whole interval"
    ),
    "min_time_to_oom": GateKind(
        "s", AT_LEAST, ">= 30d", "time until the memory limit is reached at the leak rate"
    ),
    "max_rss": GateKind(
        "bytes",
        AT_MOST,
        "<= 300 MiB",
        "highest resident memory of all processes of the arm",
    ),
    "p99_ms": GateKind("ms", AT_MOST, "<= 50 ms", "p99 of the latency over the whole load"),
    "p99_drift": GateKind(
        "times",
        AT_MOST,
        "<= 1.2x",
        "p99 of the latency, last quarter of the load over its first",
    ),
    "error_rate": GateKind(
        "share", AT_MOST, "<= 0.1%", "share of the requests sent that failed, also in the drain"
    ),
    "availability": GateKind(
        "share", AT_LEAST, ">= 99.9%", "share of the planned requests that succeeded, also in the drain"
    ),
    "tasks": GateKind("count", AT_MOST, "<= 50", "asyncio tasks alive once the load is drained"),
    "sessions": GateKind("count", AT_MOST, "<= 10", "client sessions open once the load is drained"),
    "fds": GateKind("count", AT_MOST, "<= 100", "file descriptors open once the load is drained"),
}
"""The gates a profile may set, beside the gate ``leak``, which is always held."""


@dataclass(frozen=True, slots=True)
class GateLimit:
    """One gate of a profile, as the manifest carries it."""

    gate: str
    """A key of GATES."""
    relation: str
    limit: float
    """In the gate's unit; where ``of_before``, times the baseline arm's own value."""
    of_before: bool
    text: str
    """The limit as the profile writes it."""
    per_request: bool = False
    """Of a leak: whether the limit is in bytes per request; else it is in bytes per second."""

    @property
    def needs_before(self) -> bool:
        """Whether it cannot be held without an arm before."""
        return self.of_before or self.gate == LEAK_VS_BEFORE
