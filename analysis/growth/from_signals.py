"""Suspects from signals of the verdict that no container and no type explains."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from analysis.growth.classify import (
    ALLOCATOR,
    CYCLES,
    FDS,
    FINISHED_TASKS,
    NATIVE,
    PENDING_TASKS,
    SESSIONS,
    THREADS,
)
from analysis.growth.from_types import EXPLAINED
from analysis.growth.suspect import UNKNOWN, Grower, Rates, thing
from analysis.growth.trends import GrowingType
from analysis.judge.types import LEAK, NO_LEAK
from analysis.recording.model import LIVE_BYTES, Arm, Phase
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.signals import LIVE_BLOCKS, RSS, USS

NATIVE_BYTES: Final = "malloc_in_use_bytes"


def leaks(verdict: ArmVerdict) -> bool:
    """Return whether any signal of the arm is a leak."""
    return any(signal.judgement.verdict == LEAK for signal in verdict.signals)


def leak_rates(verdict: ArmVerdict) -> dict[str, Rates]:
    """Return the rates per request and per second of the signals that are a leak."""
    return {
        signal.judgement.signal: (signal.judgement.per_request, signal.judgement.per_s)
        for signal in verdict.signals
        if signal.judgement.verdict == LEAK
    }


def memory_growth(verdict: ArmVerdict) -> Rates:
    """Return the growth of the arm's USS, else of its RSS; unknown where neither is a leak."""
    rates = leak_rates(verdict)
    return rates.get(USS) or rates.get(RSS) or UNKNOWN


def cycles(arm: Arm, load: Phase, verdict: ArmVerdict) -> list[Grower]:
    """Return the cycles that the ladder's collection freed, where they are half of what the load had left in use."""
    rungs = arm.ladder.set_index("rung")[LIVE_BYTES]
    freed = float(rungs.get("drained", math.nan)) - float(rungs.get("collected", math.nan))
    rows = arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)].dropna(subset=LIVE_BYTES)
    rates = leak_rates(verdict).get(LIVE_BYTES)
    if rows.empty or rates is None or not math.isfinite(freed):
        return []
    last = rows[rows["life"] == rows["life"].max()][LIVE_BYTES]
    grown = float(last.iloc[-1] - last.iloc[0])
    if grown <= 0 or freed < EXPLAINED * grown:
        return []
    why = (
        f"the collection after the load freed {min(1.0, freed / grown):.0%} of what the load had left in use"
    )
    return [thing(arm, CYCLES, "objects that hold each other", why, rates)]


def memory(arm: Arm, verdict: ArmVerdict, kinds: list[GrowingType], growers: list[Grower]) -> list[Grower]:
    """Return growth of memory that is in no Python object: native, or kept by the allocator.

    What the objects of the census gain, or the containers that grow, is no native memory, although malloc serves
    objects of more than 512 bytes.
    """
    rates, judged = leak_rates(verdict), {signal.judgement.signal: signal for signal in verdict.signals}
    if native := rates.get(NATIVE_BYTES):
        held = sum(one.bytes_per_s or 0.0 for one in growers)
        objects = max(held, sum(one.bytes_per_s for one in kinds))
        if native[1] is None or objects >= EXPLAINED * native[1].value:
            return []
        flat = LIVE_BLOCKS in judged and judged[LIVE_BLOCKS].judgement.verdict == NO_LEAK
        why = "malloc's bytes in use grow, " + (
            "Python's blocks do not" if flat else "Python's objects by less than half of it"
        )
        return [thing(arm, NATIVE, "native memory", why, native)]
    if LIVE_BYTES in rates:
        return []
    resident = rates.get(USS) or rates.get(RSS)
    if resident and any(signal.held for signal in verdict.signals):
        why = "it is free in the allocators' hands, or malloc_trim gave it back"
        return [thing(arm, ALLOCATOR, "free memory", why, resident)]
    if resident and LIVE_BYTES in judged:
        why = "resident memory grows, and neither Python's blocks nor malloc's bytes in use do"
        return [thing(arm, NATIVE, "native memory mapped past malloc", why, resident)]
    return []


def counts(arm: Arm, verdict: ArmVerdict, growers: list[Grower]) -> list[Grower]:
    """Return tasks, sessions, threads and file descriptors that grow, where no container names them already."""
    named = {one.kind for one in growers}
    finished = arm.samples["tasks_finished"].dropna()
    half = len(finished) and finished.max() >= EXPLAINED * arm.samples["tasks_alive"].max()
    of_tasks = FINISHED_TASKS if half else PENDING_TASKS
    kinds = {"tasks_alive": of_tasks, "sessions_open": SESSIONS, "fds": FDS, "threads": THREADS}
    found: list[Grower] = []
    for signal, rates in leak_rates(verdict).items():
        kind = kinds.get(signal)
        if kind is None or kind in named or (kind == of_tasks and named & {FINISHED_TASKS, PENDING_TASKS}):
            continue
        if kind == FDS and SESSIONS in named | {one.kind for one in found}:
            continue
        one = thing(arm, kind, kind, f"their number grows ({signal})", UNKNOWN)
        request, second = rates
        found.append(
            replace(
                one,
                items_per_request=request.value if request else None,
                items_per_request_low=request.low if request else None,
                items_per_request_high=request.high if request else None,
                items_per_s=second.value if second else None,
            )
        )
    return found
