"""What the process that records and those that send say to each other, over Locust's own messages.

All times are ``t_s`` on the recorder's clock; a sender sets its own clock by ``Begin``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from typing import Any, Final

from locustfiles.counts import Second
from soak.contract import Traffic

HELLO: Final = "soak_hello"
"""A sender is there; its data is the ``fingerprint`` of its plan."""
PLAN: Final = "soak_plan"
"""Asks for the plan; the answer's data is the text of ``traffic.json``."""
BEGIN: Final = "soak_begin"
REPORT: Final = "soak_report"
STOP: Final = "soak_stop"
"""To senders: nothing planned at this ``t_s`` or later is sent."""
REFUSED: Final = "soak_refused"
"""To a sender: it gets no share; its data is the reason."""


@dataclass(frozen=True, slots=True)
class Begin:
    """To a sender: its share of a load is every request whose index modulo ``shares`` is ``share``."""

    seed: int
    start_s: float
    """Start of the warm-up."""
    in_s: float
    """The same, seconds from now."""
    share: int
    shares: int

    def pack(self) -> dict[str, Any]:
        """Return the same as the data of a message."""
        return asdict(self)

    @classmethod
    def unpack(cls, data: dict[str, Any]) -> Begin:
        """Return what ``pack`` packed."""
        return cls(**data)


@dataclass(frozen=True, slots=True)
class Report:
    """From a sender: what happened to each arm in a second that is over. Seconds come in order, none is left out."""

    second: int
    arms: dict[str, Second]
    last: bool
    """Its share of the load is over."""

    def pack(self) -> dict[str, Any]:
        """Return the same as the data of a message."""
        arms = {arm: second.pack() for arm, second in self.arms.items()}
        return {"second": self.second, "arms": arms, "last": self.last}

    @classmethod
    def unpack(cls, data: dict[str, Any]) -> Report:
        """Return what ``pack`` packed."""
        arms = {arm: Second.unpack(packed) for arm, packed in data["arms"].items()}
        return cls(data["second"], arms, data["last"])


def fingerprint(traffic: Traffic) -> str:
    """Return what two plans share that mean the same requests; directories, clocks and URLs may differ."""
    same = replace(traffic, out_dir="", t0_monotonic_s=0.0, arms=dict.fromkeys(traffic.arms, ""))
    return sha256(same.to_json().encode()).hexdigest()
