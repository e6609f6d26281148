"""What a gate of a sign-off is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

AT_MOST: Final = "<="
AT_LEAST: Final = ">="


@dataclass(frozen=True, slots=True)
class GateKind:
    """What a gate of a sign-off is held to."""

    unit: str
    """Of its value and its limit: bytes, s, ms, share (of 1), times or count."""
    relation: str
    """AT_MOST or AT_LEAST."""
    example: str
    meaning: str


GATES: Final = {
    "min_time_to_oom": GateKind(
        "s", AT_LEAST, ">= 30d", "time until the memory limit is met at the leak rate"
    ),
    "max_rss": GateKind("bytes", AT_MOST, "<= 300 MiB", "highest resident memory, before the quiesce ladder"),
    "p99_ms": GateKind("ms", AT_MOST, "<= 50 ms", "p99 of the latency over the whole load"),
    "p99_drift": GateKind("times", AT_MOST, "<= 1.2x", "that of the load's last quarter, against its first"),
    "error_rate": GateKind("share", AT_MOST, "<= 0.1%", "requests that failed, of those sent"),
    "availability": GateKind("share", AT_LEAST, ">= 99.9%", "requests answered well, of those planned"),
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
    """As the profile says it."""
