"""The messages between master and workers, over Locust's own protocol.

All times are ``t_s`` on the master's clock; ``Begin`` sets a worker's clock. Where one process is both, it is its own
worker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Final

from locustfiles.counts import Second
from soak.contract import Traffic

HELLO: Final = "soak_hello"
"""From a worker: it can take a share; the data is the ``fingerprint`` of its plan."""
PLAN: Final = "soak_plan"
"""From a worker to be: it asks for the plan; the data of the answer is the text of ``traffic.json``."""
BEGIN: Final = "soak_begin"
"""To a worker: a load begins; the data is a ``Begin`` as a dictionary."""
SECOND_REPORT: Final = "soak_report"
"""From a worker: the data is a packed ``SecondReport``."""
STOP: Final = "soak_stop"
"""To workers: nothing planned at ``end_s`` (``t_s``) or later is sent."""
REFUSED: Final = "soak_refused"
"""To a worker: it gets no share; the data is the reason."""


@dataclass(frozen=True, slots=True)
class Begin:
    """A worker's share of a load: every request whose index modulo ``shares`` is ``share``."""

    seed: int
    start_s: float
    """Start of the warm-up."""
    in_s: float
    """Start of the warm-up, seconds from the sending of this message."""
    share: int
    shares: int


@dataclass(frozen=True, slots=True)
class SecondReport:
    """A worker's counts of a second that is over, by arm. Seconds come in order, none is left out."""

    second: int
    arms: dict[str, Second]
    last: bool
    """Whether the worker's share of the load is over."""

    def pack(self) -> dict[str, Any]:
        """Return the data of a message."""
        arms = {arm: second.pack() for arm, second in self.arms.items()}
        return {"second": self.second, "arms": arms, "last": self.last}

    @classmethod
    def unpack(cls, data: dict[str, Any]) -> SecondReport:
        """Return what ``pack`` packed."""
        arms = {arm: Second.unpack(packed) for arm, packed in data["arms"].items()}
        return cls(data["second"], arms, data["last"])


def fingerprint(traffic: Traffic) -> str:
    """Return the same text for plans of the same requests; directories, clocks and URLs may differ."""
    same = replace(traffic, out_dir="", t0_monotonic_s=0.0, arms=dict.fromkeys(traffic.arms, ""))
    return sha256(same.to_json().encode()).hexdigest()
