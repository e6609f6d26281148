"""One thing that grows: a container that someone holds, or what nobody does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from analysis.judge.types import Rate
from analysis.recording.model import Arm

Rates = tuple[Rate | None, Rate | None]
"""Per request and per second; None where it is not known."""
UNKNOWN: Final[Rates] = (None, None)


@dataclass(frozen=True, slots=True)
class Grower:
    """One thing that grows; its fields are the columns of who.csv, None where there is no such figure."""

    arm: str
    name: str
    """Who holds it, or what it is where nobody does."""
    kind: str
    """One of analysis.growth.classify.KINDS."""
    holder: str
    """The path of references; empty where none is known."""
    type: str
    address: str
    lives: str
    """Of the arm, in which it grew, with a space between."""
    censuses: int | None
    """In which its items were counted."""
    length: int | None
    """Items in the last of them."""
    holds: str
    """The types of a sample of its entries, with a comma between."""
    items_per_request: float | None
    items_per_request_low: float | None
    """Lower end of the 95% interval, and below the upper."""
    items_per_request_high: float | None
    items_per_s: float | None
    bytes_per_request: float | None
    bytes_per_s: float | None
    share: float | None
    """Of the growth of the arm's USS, else of its RSS."""
    retained_bytes: float | None
    retained_whole: bool | None
    why: str
    """The evidence for the kind, one sentence without a full stop."""


def thing(arm: Arm, kind: str, name: str, why: str, rates: Rates) -> Grower:
    """Return a line without a container; ``rates`` are bytes."""
    return Grower(
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


def by_bytes(growers: list[Grower]) -> list[Grower]:
    """Return them with the most bytes first; those of unknown bytes last, by their items."""
    return sorted(growers, key=lambda one: (-(one.bytes_per_s or 0.0), -(one.items_per_s or 0.0), one.name))


def with_share(one: Grower, growth: Rates) -> Grower:
    """Add its share of ``growth``, which is that of the arm's memory."""
    request, second = growth
    if one.bytes_per_request is not None and request and request.value > 0:
        return replace(one, share=one.bytes_per_request / request.value)
    if one.bytes_per_s is not None and second and second.value > 0:
        return replace(one, share=one.bytes_per_s / second.value)
    return one
