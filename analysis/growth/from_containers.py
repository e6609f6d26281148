"""The containers of an arm that grow, each with who holds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from analysis.growth.classify import follows_others, holds_nothing, kind_of_container, short, types_of
from analysis.growth.holders import Held, held
from analysis.growth.suspect import Grower, by_bytes
from analysis.growth.trends import Growing, growing_containers
from analysis.recording.heap_files import HeapFiles
from analysis.recording.model import Arm, Life, Phase
from analysis.verdict.signals import LIVE_BLOCKS

NEEDS_PROBE: Final = "naming needs the probe"
NO_PAUSE: Final = "not named: no pause after it was found"
NO_PATH: Final = "no path to it was found"


def container_growers(arm: Arm, load: Phase, files: HeapFiles) -> list[Grower]:
    """Return the containers that grow, those with the most bytes first; one line for those with the same holder.

    A registry of weak references, as asyncio's of all tasks, holds nothing and is left out; one that is keyed by them
    where there is another that may hold the keys.
    """
    found: dict[str, list[Grower]] = {}
    following: dict[str, list[Grower]] = {}
    for growing in growing_containers(arm, load, files.containers, files.types):
        known = held(files.holders, growing)
        if known and holds_nothing(known.entries):
            continue
        one = _container(arm, growing, known)
        lines = following if known and follows_others(known.entries) else found
        lines.setdefault(one.holder or f"{growing.life} {growing.address} {growing.type}", []).append(one)
    found = found or following
    return by_bytes([joined(lines, arm.processes) for lines in found.values()])


def _container(arm: Arm, growing: Growing, known: Held | None) -> Grower:
    kind = kind_of_container(growing.type, known.entries if known else [])
    each = known.bytes_each if known else None
    request, second = growing.per_request, growing.per_s
    if known is None:
        probed = bool(arm.samples[LIVE_BLOCKS].notna().any())
        unnamed = NO_PAUSE if probed else NEEDS_PROBE
    else:
        unnamed = NO_PATH
    return Grower(
        arm=arm.name,
        name=(known.holder if known else "") or f"{short(growing.type)} at {growing.address} ({unnamed})",
        kind=kind.name,
        holder=known.holder if known else "",
        type=growing.type,
        address=growing.address,
        lives=str(growing.life),
        censuses=growing.censuses,
        length=growing.length,
        holds=", ".join(types_of(known.entries)) if known else "",
        items_per_request=request.value if request else None,
        items_per_request_low=request.low if request else None,
        items_per_request_high=request.high if request else None,
        items_per_s=second.value,
        bytes_per_request=_times(each, request.value if request else None),
        bytes_per_s=_times(each, second.value),
        share=None,
        retained_bytes=known.retained_bytes if known else None,
        retained_whole=known.retained_whole if known and known.retained_bytes is not None else None,
        why=kind.why,
    )


def joined(lines: list[Grower], processes: tuple[Life, ...]) -> Grower:
    """Return one line for the lives of an arm that hold the same; ``processes`` that were alive together add up."""
    longest = max(lines, key=lambda one: (one.censuses or 0, one.length or 0))
    lives = " ".join(sorted({one.lives for one in lines}, key=int))
    if not processes:
        return replace(longest, lives=lives)
    lines = _alive_together(lines, processes)
    return replace(
        longest,
        lives=lives,
        items_per_request=_sum(one.items_per_request for one in lines),
        items_per_request_low=_sum(one.items_per_request_low for one in lines),
        items_per_request_high=_sum(one.items_per_request_high for one in lines),
        items_per_s=_sum(one.items_per_s for one in lines),
        bytes_per_request=_sum(one.bytes_per_request for one in lines),
        bytes_per_s=_sum(one.bytes_per_s for one in lines),
    )


def _alive_together(lines: list[Grower], processes: tuple[Life, ...]) -> list[Grower]:
    """Return the lines of the processes alive at one moment, of all moments that at which they grew fastest."""
    alive = {str(life.number): life for life in processes}
    known = [one for one in lines if one.lives in alive]
    at_once = [
        [
            one
            for one in known
            if alive[one.lives].start_s <= alive[last.lives].start_s <= alive[one.lives].end_s
        ]
        for last in known
    ]
    return max(at_once, key=lambda some: sum(one.items_per_s or 0.0 for one in some), default=lines)


def _times(each: float | None, rate: float | None) -> float | None:
    return None if each is None or rate is None else each * rate


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
