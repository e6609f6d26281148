"""The injected control: a copy of the candidate in which the probe keeps memory at a known rate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

INJECT: Final = "inject"
"""Value of ``judge.control`` that asks for the copy."""
CONTROL_ROLE: Final = "control"
"""Role of the copy in the manifest; no arm of a profile has it."""


def copy_name(candidate: str) -> str:
    """Return the name of the candidate's copy; no arm of a profile has a dot in its name."""
    return f"{candidate}.leak"


@dataclass(frozen=True, slots=True)
class InjectedLeak:
    """What the probe keeps in the copy."""

    per: Literal["request", "s"]
    """Unit of the rates: answered requests, or seconds of warm-up and load."""
    rates: Mapping[str, float]
    """Bytes per unit, by kind: python, native or mmap."""

    @property
    def rate(self) -> float:
        """Bytes of all kinds per unit."""
        return sum(self.rates.values())
