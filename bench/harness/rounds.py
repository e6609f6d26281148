"""In which order things are measured: next to each other, each as often first as last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

Thing = TypeVar("Thing")


@dataclass(frozen=True, slots=True)
class Rounds:
    """How often each thing is measured, and for how long each time."""

    count: int
    seconds: float


def in_turn(things: Sequence[Thing], number: int) -> Sequence[Thing]:
    """Return the things in the order of round ``number``: forwards, then backwards, and so on."""
    return things if number % 2 == 0 else things[::-1]
