"""Suspects from containers that grow, each with what retains it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from analysis.growth.classify import is_keyed_weakly, kind_of_container, retains_nothing, short_type, types_of
from analysis.growth.holders import HolderAnswer, holder_of_container
from analysis.growth.suspect import LeakSuspect, sort_by_bytes
from analysis.growth.trends import ContainerGrowth, find_container_growth
from analysis.recording.heap_files import HeapFiles
from analysis.recording.model import Arm, Life, Phase

NEEDS_PROBE: Final = "holder unknown: no probe"
NOT_SEARCHED: Final = "holder unknown: not searched for"
NO_PATH: Final = "holder unknown: no path to it"


def container_suspects(
    arm: Arm, load: Phase, files: HeapFiles, of_tasks: str = "", *, connections_leak: bool = False
) -> list[LeakSuspect]:
    """Return the containers that grow, those with the most bytes first; one suspect for those with the same holder.

    A registry of weak references, such as asyncio's of all tasks, retains nothing and is left out; so is one keyed by
    them, or Python's own of the threads that run, where another container may retain what it lists. ``of_tasks``
    and ``connections_leak`` are as of ``kind_of_container``.
    """
    found: dict[str, list[LeakSuspect]] = {}
    weakly_keyed: dict[str, list[LeakSuspect]] = {}
    for container in find_container_growth(arm, load, files.containers, files.types):
        known = holder_of_container(files.holders, container)
        if known and retains_nothing(known.entries):
            continue
        one = _suspect_of(arm, container, known, of_tasks, connections_leak=connections_leak)
        lines = weakly_keyed if known and is_keyed_weakly(known.entries) else found
        lines.setdefault(one.holder or f"{container.life} {container.address} {container.type}", []).append(
            one
        )
    found = found or weakly_keyed
    return sort_by_bytes([merge_lives(lines, arm.processes) for lines in found.values()])


def _suspect_of(
    arm: Arm,
    container: ContainerGrowth,
    known: HolderAnswer | None,
    of_tasks: str,
    *,
    connections_leak: bool,
) -> LeakSuspect:
    entries = known.entries if known else []
    kind = kind_of_container(container.type, entries, of_tasks, connections_leak=connections_leak)
    each = known.bytes_each if known else None
    request, second = container.per_request, container.per_s
    if known is None:
        probed = bool(arm.samples["live_blocks"].notna().any())
        unnamed = NOT_SEARCHED if probed else NEEDS_PROBE
    else:
        unnamed = NO_PATH
    return LeakSuspect(
        arm=arm.name,
        name=(known.holder if known else "")
        or f"{short_type(container.type)} at {container.address} ({unnamed})",
        kind=kind.name,
        holder=known.holder if known else "",
        type=container.type,
        address=container.address,
        lives=str(container.life),
        censuses=container.censuses,
        length=container.length,
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


def merge_lives(lines: list[LeakSuspect], processes: tuple[Life, ...]) -> LeakSuspect:
    """Return one suspect for containers with the same holder: those of one life add up, as of its unnamed keys.

    So do those of ``processes`` that were alive together; of lives one after the other it has the longest's figures.
    """
    by_life: dict[str, list[LeakSuspect]] = {}
    for one in lines:
        by_life.setdefault(one.lives, []).append(one)
    of_lives = [_together(own) for own in by_life.values()]
    longest = max(of_lives, key=lambda one: (one.censuses or 0, one.length or 0))
    if processes:
        alive = _alive_together(of_lives, processes)
        longest = _with_sums(longest, alive)
    return replace(longest, lives=" ".join(sorted(by_life, key=int)))


def _together(lines: list[LeakSuspect]) -> LeakSuspect:
    """Return the containers of one life as one, that of the longest."""
    longest = max(lines, key=lambda one: one.length or 0)
    if len(lines) == 1:
        return longest
    retained_bytes = _sum(one.retained_bytes for one in lines)
    return replace(
        _with_sums(longest, lines),
        length=sum(one.length or 0 for one in lines),
        retained_bytes=retained_bytes,
        retained_whole=None if retained_bytes is None else all(one.retained_whole for one in lines),
        why="; ".join(text for text in (longest.why, f"{len(lines)} containers") if text),
    )


def _with_sums(one: LeakSuspect, lines: list[LeakSuspect]) -> LeakSuspect:
    """Return a suspect with the items and bytes of all these."""
    return replace(
        one,
        items_per_request=_sum(line.items_per_request for line in lines),
        items_per_request_low=_sum(line.items_per_request_low for line in lines),
        items_per_request_high=_sum(line.items_per_request_high for line in lines),
        items_per_s=_sum(line.items_per_s for line in lines),
        bytes_per_request=_sum(line.bytes_per_request for line in lines),
        bytes_per_s=_sum(line.bytes_per_s for line in lines),
    )


def _alive_together(lines: list[LeakSuspect], processes: tuple[Life, ...]) -> list[LeakSuspect]:
    """Return the suspects of the processes that were alive at one moment, the moment at which they grew fastest."""
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
