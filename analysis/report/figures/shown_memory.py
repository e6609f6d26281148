"""What the memory is called that a figure shows: RSS, unless Prometheus had another in its place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from analysis.recording.model import Arm
from analysis.verdict.signals import RSS, WITH_FILES
from analysis.verdict.wording import SIGNAL_NAMES


@dataclass(frozen=True, slots=True)
class ShownMemory:
    """The words of a figure of memory."""

    name: str
    """As the verdicts have it."""
    title: str
    """The beginning of a sentence."""


def shown_memory(arms: Sequence[Arm]) -> ShownMemory:
    """Return the words for the memory of these arms, which is of one kind."""
    if any(WITH_FILES in arm.samples for arm in arms):
        return ShownMemory(SIGNAL_NAMES[WITH_FILES], "Memory with file pages")
    return ShownMemory(SIGNAL_NAMES[RSS], "Resident memory")
