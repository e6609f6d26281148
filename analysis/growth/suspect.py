"""A leak suspect: a container that grows, a type whose objects do, or a signal that neither explains."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from analysis.growth.classify import (
    FDS,
    FINISHED_TASKS,
    HOLDER_UNKNOWN,
    PENDING_TASKS,
    THREADS,
    UNCLOSED_SESSIONS,
    short_type,
)
from analysis.judge.types import Rate
from analysis.recording.model import Arm
from analysis.verdict.signals import BYTES_EACH

Rates = tuple[Rate | None, Rate | None]
"""A rate per request and the same per second; None where it is not known."""
UNKNOWN_RATES: Final[Rates] = (None, None)
ONE_PER_REQUEST: Final = (0.8, 1.25)
"""Items per request that show what each request leaves, however few the bytes that could be followed."""
_WHOSE: Final = re.compile(r"^(?:task|thread) .*? local ")
"""Beginning of a path at a local variable: whose it is."""
_NAME: Final = re.compile(r"(?:[^.<\[]|<[^>]*>|\[[^]]*])+")
"""A name of a path, with what is in brackets behind it: a key, or whose closure it is, which may have dots."""
_BYTES_EACH: Final = {
    THREADS: BYTES_EACH["threads"],
    FDS: BYTES_EACH["fds"],
    UNCLOSED_SESSIONS: BYTES_EACH["sessions_open"],
    FINISHED_TASKS: BYTES_EACH["tasks_alive"],
    PENDING_TASKS: BYTES_EACH["tasks_alive"],
}


@dataclass(frozen=True, slots=True)
class LeakSuspect:
    """What grows and what retains it; its fields are the columns of who.csv, None where there is no such figure."""

    arm: str
    name: str
    """What retains it; what it is where that is not known."""
    kind: str
    """One of the kinds of analysis.growth.classify."""
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
    """Share of the growth of the arm's memory."""
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
    """Return the suspects with the most bytes first, those of unknown bytes last, by their items.

    A count without bytes, as of threads, stands where the least that each costs puts it. A holder has the bytes of what
    it explains added to its own: its walk may have missed some.
    """

    def order(one: LeakSuspect) -> tuple[float, float, str]:
        explained = sum(_least_bytes(other) for other in suspects if _explains(one, other))
        return -_least_bytes(one) - explained, -(one.items_per_s or 0.0), one.name

    return sorted(suspects, key=order)


def _least_bytes(one: LeakSuspect) -> float:
    if one.bytes_per_s is not None:
        return one.bytes_per_s
    return _BYTES_EACH.get(one.kind, 0.0) * (one.items_per_s or 0.0)


def _explains(one: LeakSuspect, other: LeakSuspect) -> bool:
    """Return whether a holder gains an item for each of a count, or for each request that leaves objects somewhere."""
    if not (one.holder and one.address) or other.holder:
        return False
    if other.kind == HOLDER_UNKNOWN:
        return is_one_per_request(one.items_per_request)
    counted = other.kind in _BYTES_EACH and other.bytes_per_s is None and other.items_per_s
    return bool(counted) and is_one_per_request((one.items_per_s or 0.0) / (other.items_per_s or 1.0))


def is_one_per_request(items: float | None) -> bool:
    """Return whether so many items per request are about one."""
    return items is not None and ONE_PER_REQUEST[0] <= items <= ONE_PER_REQUEST[1]


def short_name(one: LeakSuspect) -> str:
    """Return the last two names of a suspect's holder: ``…state.cache``; of one without, what it is."""
    path = _WHOSE.sub("", one.holder)
    names = _NAME.findall(path)
    if len(names) > 2 or path != one.holder:
        return "…" + ".".join(names[-2:])
    return one.holder or short_type(one.type) or one.kind


def with_share(one: LeakSuspect, growth: Rates) -> LeakSuspect:
    """Return the suspect with its share of ``growth``, which is that of the arm's memory."""
    request, second = growth
    if one.bytes_per_request is not None and request and request.value > 0:
        return replace(one, share=one.bytes_per_request / request.value)
    if one.bytes_per_s is not None and second and second.value > 0:
        return replace(one, share=one.bytes_per_s / second.value)
    return one
