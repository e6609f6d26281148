"""A leak suspect: a container that grows, a type whose objects do, or a signal that neither explains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from analysis.judge.types import Rate
from analysis.recording.model import Arm

Rates = tuple[Rate | None, Rate | None]
"""A rate per request and the same per second; None where it is not known."""
UNKNOWN_RATES: Final[Rates] = (None, None)


@dataclass(frozen=True, slots=True)
class LeakSuspect:
    """What grows and what retains it; its fields are the columns of who.csv, None where there is no such figure."""

    arm: str
    name: str
    """What retains it; what it is where that is not known."""
    kind: str
    """One of analysis.growth.classify.SUSPECT_KINDS."""
    holder: str
    """The path of references to it; empty where none is known."""
    type: str
    address: str
    lives: str
    """Numbers of the arm's lives in which it grew, with a space between."""
    censuses: int | None
    """Censuses in which its items were counted."""
    length: int | None
    """Items in the last census."""
    holds: str
    """The types of a sample of its entries, with a comma between."""
    items_per_request: float | None
    items_per_request_low: float | None
    """Lower end of the 95% interval."""
    items_per_request_high: float | None
    """Upper end of the 95% interval."""
    items_per_s: float | None
    bytes_per_request: float | None
    bytes_per_s: float | None
    share: float | None
    """Share of the growth of the arm's USS, else of its RSS."""
    retained_bytes: float | None
    """Memory that only it keeps alive, as the probe measured it."""
    retained_whole: bool | None
    """False where the probe stopped before it had followed all references: ``retained_bytes`` is a lower bound."""
    why: str
    """The evidence for the kind, one sentence without a full stop."""


def suspect_without_container(arm: Arm, kind: str, name: str, why: str, rates: Rates) -> LeakSuspect:
    """Return a suspect that is no container; ``rates`` are bytes."""
    return LeakSuspect(
        arm=arm.name,
        name=name,
        kind=kind,
        holder="",
        type="",
        address="",
        lives=" ".join(str(life.number) for life in arm.lives),
        censuses=None,
        length=None,
        holds="",
        items_per_request=None,
        items_per_request_low=None,
        items_per_request_high=None,
        items_per_s=None,
        bytes_per_request=rates[0].value if rates[0] else None,
        bytes_per_s=rates[1].value if rates[1] else None,
        share=None,
        retained_bytes=None,
        retained_whole=None,
        why=why,
    )


def sort_by_bytes(suspects: list[LeakSuspect]) -> list[LeakSuspect]:
    """Return the suspects with the most bytes first; those of unknown bytes last, by their items."""
    return sorted(suspects, key=lambda one: (-(one.bytes_per_s or 0.0), -(one.items_per_s or 0.0), one.name))


def with_share(one: LeakSuspect, growth: Rates) -> LeakSuspect:
    """Return the suspect with its share of ``growth``, which is that of the arm's memory."""
    request, second = growth
    if one.bytes_per_request is not None and request and request.value > 0:
        return replace(one, share=one.bytes_per_request / request.value)
    if one.bytes_per_s is not None and second and second.value > 0:
        return replace(one, share=one.bytes_per_s / second.value)
    return one
