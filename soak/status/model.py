"""The run at this moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from soak.contract import ArmLive


@dataclass(frozen=True, slots=True)
class ArmStatus:
    """One arm at this moment; None for what is not known."""

    name: str
    life: int
    oom_kills: int | None
    up: bool
    sample: Mapping[str, object]
    limit_bytes: int | None
    starting: bool = False
    """Whether it has not answered yet: it runs, or will be started first."""
    requests: Mapping[str, float] = field(default_factory=dict)
    """Planned, ok and failed requests per second, mean of the newest seconds of load."""
    live: ArmLive | None = None
    """Verdict so far; None before the first."""


ATTACHED: Final = "attached"
"""What is shown in the place of a phase where the load is not ours."""


@dataclass(frozen=True, slots=True)
class RunStatus:
    """The run at this moment."""

    phase: str
    elapsed_s: float
    left_s: float | None
    """Time to the planned end, seconds; None when whoever stops the load decides."""
    arms: Sequence[ArmStatus]
