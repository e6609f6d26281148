"""The leak suspects of each arm, and where its memory went."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from analysis.growth.classify import CYCLES, FILLING
from analysis.growth.from_containers import container_suspects
from analysis.growth.from_signals import (
    connections_leak,
    count_suspects,
    cycle_suspects,
    has_leak,
    kind_of_tasks,
    memory_growth,
    memory_suspects,
)
from analysis.growth.from_types import attribute_type, type_suspects
from analysis.growth.memory_breakdown import MemoryBreakdown, memory_breakdown
from analysis.growth.stuck import StuckTasks, find_stuck, with_proof
from analysis.growth.suspect import UNKNOWN_RATES, LeakSuspect, sort_by_bytes, with_share
from analysis.growth.trends import MIN_CENSUSES, TypeGrowth, census_count, find_type_growth
from analysis.recording.heap_files import HeapFiles
from analysis.recording.model import Arm, Phase, Recording
from analysis.verdict.arm import ArmVerdict

LISTED_TYPES: Final = 8
"""The number of types in an arm's growth."""


@dataclass(frozen=True, slots=True)
class ArmGrowth:
    """What grew in one arm under load."""

    arm: str
    censuses: int
    """Censuses of the heap, taken from outside under load; 0 where there were none."""
    suspects: tuple[LeakSuspect, ...]
    """Those with the most bytes first."""
    types: tuple[TypeGrowth, ...]
    """The LISTED_TYPES types with the most growth in bytes, the largest growth first."""
    breakdown: MemoryBreakdown | None
    """None where the memory was not read in parts."""
    stuck: StuckTasks | None = None
    """Pending tasks after the load that nothing can wake; None where that was not asked."""
    rate_known: bool = True
    """Whether the growth of the arm's memory is known, of which the suspects have their shares."""


def find_growth(recording: Recording, verdicts: tuple[ArmVerdict, ...]) -> tuple[ArmGrowth, ...]:
    """Return the growth of each arm, in the manifest's order."""
    load = recording.load
    if load is None:
        return ()
    return tuple(
        arm_growth(arm, load, verdict, arm.heap)
        for arm, verdict in zip(recording.arms, verdicts, strict=True)
    )


def arm_growth(arm: Arm, load: Phase, verdict: ArmVerdict, files: HeapFiles) -> ArmGrowth:
    """Return the growth of one arm.

    In an arm without a leak only containers are suspects: the other figures rise by chance, and the verdict is on them.
    Without a census the suspects are the counts that the verdict calls a leak.
    """
    breakdown, stuck = memory_breakdown(arm, load), find_stuck(arm, load)
    leaks, memory = has_leak(verdict), memory_growth(verdict)
    rate_known = memory != UNKNOWN_RATES
    if not files.recorded:
        known = [*cycle_suspects(arm, load, verdict), *count_suspects(arm, verdict, [])] if leaks else []
        found = [with_share(_of_collector(one, arm), memory) for one in known]
        return ArmGrowth(arm.name, 0, tuple(with_proof(found, stuck)), (), breakdown, stuck, rate_known)
    of_tasks, of_connections = kind_of_tasks(arm, verdict), connections_leak(verdict)
    suspects = container_suspects(arm, load, files, of_tasks, connections_leak=of_connections)
    types = find_type_growth(arm, load, files.types)
    total = sum(one.bytes_per_s for one in types)
    censuses = max(census_count(load, files.types), census_count(load, files.containers))
    if not leaks:
        suspects = [one for one in suspects if one.kind != FILLING]
    if leaks and censuses >= MIN_CENSUSES:
        suspects += cycle_suspects(arm, load, verdict)
    types = [
        replace(attribute_type(one, suspects, files, load, total), share=one.bytes_per_s / total)
        for one in types
    ]
    if leaks and censuses >= MIN_CENSUSES:
        suspects += type_suspects(
            arm, load, types, suspects, files, of_tasks, connections_leak=of_connections
        )
        suspects += memory_suspects(arm, load, verdict, types, suspects)
        suspects += count_suspects(arm, verdict, suspects)
    found = sort_by_bytes([with_share(_of_collector(one, arm), memory) for one in suspects])
    return ArmGrowth(
        arm=arm.name,
        censuses=censuses,
        suspects=tuple(with_proof(found, stuck)),
        types=tuple(types[:LISTED_TYPES]),
        breakdown=breakdown,
        stuck=stuck,
        rate_known=rate_known,
    )


def _of_collector(suspect: LeakSuspect, arm: Arm) -> LeakSuspect:
    """Return a suspect; where it is cycles, with the reason for these in a collector that frees them late."""
    if suspect.kind != CYCLES or not arm.incremental_collector:
        return suspect
    late = (
        f"the incremental collector of {arm.incremental_collector} frees cycles late, that of 3.14.5 does not"
    )
    return replace(suspect, why=f"{suspect.why}; {late}")
