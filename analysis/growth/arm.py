"""What grew in each arm, and who holds it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from analysis.growth.classify import FILLING
from analysis.growth.from_containers import container_growers
from analysis.growth.from_signals import counts, cycles, leaks, memory, memory_growth
from analysis.growth.from_types import explained, types_alone
from analysis.growth.memory_breakdown import Waterfall, waterfall
from analysis.growth.suspect import Grower, by_bytes, with_share
from analysis.growth.trends import MIN_CENSUSES, GrowingType, census_count, growing_types
from analysis.recording.heap_files import HeapFiles, read_heap_files
from analysis.recording.model import Arm, Phase, Recording
from analysis.verdict.arm import ArmVerdict

TOP_TYPES: Final = 8


@dataclass(frozen=True, slots=True)
class ArmGrew:
    """What grew in one arm."""

    arm: str
    censuses: int
    """Of the heap from outside, under load; 0 where there was none."""
    growers: tuple[Grower, ...]
    """Those with the most bytes first."""
    types: tuple[GrowingType, ...]
    """Types with the most growth in bytes first, TOP_TYPES at most."""
    waterfall: Waterfall | None


def grew(recording: Recording, verdicts: tuple[ArmVerdict, ...]) -> tuple[ArmGrew, ...]:
    """Return what grew in each arm, in the manifest's order; reads the arms' heap files."""
    load = recording.load
    if load is None:
        return ()
    return tuple(
        arm_grew(arm, load, verdict, read_heap_files(recording.directory / arm.name))
        for arm, verdict in zip(recording.arms, verdicts, strict=True)
    )


def arm_grew(arm: Arm, load: Phase, verdict: ArmVerdict, files: HeapFiles) -> ArmGrew:
    """Return what grew in one arm.

    Of an arm without a leak only containers are named: other figures rise by chance, and the verdict has judged them.
    Without a census there are only the counts that the verdict calls a leak.
    """
    flow = waterfall(arm, load)
    if not files.recorded:
        known = [*cycles(arm, load, verdict), *counts(arm, verdict, [])] if leaks(verdict) else []
        return ArmGrew(arm.name, 0, tuple(known), (), flow)
    growers = container_growers(arm, load, files)
    kinds = growing_types(arm, load, files.types)
    total = sum(one.bytes_per_s for one in kinds)
    censuses = max(census_count(load, files.types), census_count(load, files.containers))
    if not leaks(verdict):
        growers = [one for one in growers if one.kind != FILLING]
    told = leaks(verdict) and censuses >= MIN_CENSUSES
    if told:
        growers += cycles(arm, load, verdict)
    kinds = [
        replace(explained(one, growers, files.types, total), share=one.bytes_per_s / total) for one in kinds
    ]
    if told:
        growers += types_alone(arm, load, kinds, growers, files)
        growers += memory(arm, verdict, kinds, growers)
        growers += counts(arm, verdict, growers)
    growth = memory_growth(verdict)
    return ArmGrew(
        arm=arm.name,
        censuses=censuses,
        growers=tuple(by_bytes([with_share(one, growth) for one in growers])),
        types=tuple(kinds[:TOP_TYPES]),
        waterfall=flow,
    )
