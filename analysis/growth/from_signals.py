"""Suspects from signals of the verdict that no container and no type explains."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final

from analysis.growth.classify import (
    ALLOCATOR,
    BUFFERS,
    CYCLES,
    FDS,
    FINISHED_TASKS,
    NATIVE,
    PENDING_TASKS,
    THREADS,
    UNCLOSED_SESSIONS,
)
from analysis.growth.from_types import EXPLAINED
from analysis.growth.suspect import UNKNOWN_RATES, LeakSuspect, Rates, suspect_without_container
from analysis.growth.trends import TypeGrowth
from analysis.judge.types import LEAK, NO_LEAK
from analysis.recording.model import LIVE_BYTES, Arm, Phase
from analysis.verdict.arm import ArmVerdict, SignalVerdict
from analysis.verdict.signals import LIVE_BLOCKS, RSS, USS

NATIVE_BYTES: Final = "malloc_in_use_bytes"


def has_leak(verdict: ArmVerdict) -> bool:
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
    return rates.get(USS) or rates.get(RSS) or UNKNOWN_RATES


def cycle_suspects(arm: Arm, load: Phase, verdict: ArmVerdict) -> list[LeakSuspect]:
    """Return the cycles that the ladder's collection freed, where they are half of the growth under load."""
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
    why = f"gc.collect() after the load freed {min(1.0, freed / grown):.0%} of the growth under load"
    return [suspect_without_container(arm, CYCLES, "reference cycles", why, rates)]


def memory_suspects(
    arm: Arm, verdict: ArmVerdict, types: list[TypeGrowth], suspects: list[LeakSuspect]
) -> list[LeakSuspect]:
    """Return growth of memory that is in no Python object: native, or retained by the allocator.

    Growth of the objects in the census, or of the containers, is no native memory, although malloc serves objects of
    more than 512 bytes.
    """
    rates, judged = leak_rates(verdict), {signal.judgement.signal: signal for signal in verdict.signals}
    retained = sum(one.bytes_per_s or 0.0 for one in suspects)
    objects = max(retained, sum(one.bytes_per_s for one in types))
    if native := rates.get(NATIVE_BYTES):
        if native[1] is None or objects >= EXPLAINED * native[1].value:
            return []
        flat = LIVE_BLOCKS in judged and judged[LIVE_BLOCKS].judgement.verdict == NO_LEAK
        why = "malloc's bytes in use grow, " + (
            "Python's blocks do not" if flat else "Python's objects by less than half of it"
        )
        return [suspect_without_container(arm, NATIVE, "native memory", why, native)]
    if LIVE_BYTES in rates:
        return _buffer_suspects(arm, rates[LIVE_BYTES], judged.get(NATIVE_BYTES), objects)
    resident = rates.get(USS) or rates.get(RSS)
    if resident and any(signal.explained_by_allocator for signal in verdict.signals):
        why = "it is free memory of the allocators, or malloc_trim returned it"
        return [suspect_without_container(arm, ALLOCATOR, "free memory", why, resident)]
    if resident and LIVE_BYTES in judged:
        why = "resident memory grows, and neither Python's blocks nor malloc's bytes in use do"
        return [suspect_without_container(arm, NATIVE, "native memory mapped past malloc", why, resident)]
    return []


def _buffer_suspects(
    arm: Arm, live: Rates, malloc: SignalVerdict | None, objects: float
) -> list[LeakSuspect]:
    """Return growth of the blocks of Python's allocator that are no objects; ``objects`` grow by bytes per second."""
    native = malloc.judgement.per_s if malloc else None
    if live[1] is None or native is None or objects + native.value >= EXPLAINED * live[1].value:
        return []
    why = "blocks of Python's allocator grow, objects by less than half of that: an extension's buffers"
    return [suspect_without_container(arm, BUFFERS, "memory of no object", why, live)]


def kind_of_tasks(arm: Arm, verdict: ArmVerdict) -> str:
    """Return the kind of the arm's tasks where their number is a leak; empty where it is none."""
    if "tasks_alive" not in leak_rates(verdict):
        return ""
    finished = arm.samples["tasks_finished"].dropna()
    half = len(finished) and finished.max() >= EXPLAINED * arm.samples["tasks_alive"].max()
    return FINISHED_TASKS if half else PENDING_TASKS


def count_suspects(arm: Arm, verdict: ArmVerdict, suspects: list[LeakSuspect]) -> list[LeakSuspect]:
    """Return tasks, sessions, threads and file descriptors that grow in number, where no container explains them."""
    named = {one.kind for one in suspects}
    of_tasks = kind_of_tasks(arm, verdict)
    kinds = {"tasks_alive": of_tasks, "sessions_open": UNCLOSED_SESSIONS, "fds": FDS, "threads": THREADS}
    found: list[LeakSuspect] = []
    for signal, rates in leak_rates(verdict).items():
        kind = kinds.get(signal)
        if kind is None or kind in named or (kind == of_tasks and named & {FINISHED_TASKS, PENDING_TASKS}):
            continue
        if kind == FDS and UNCLOSED_SESSIONS in named | {one.kind for one in found}:
            continue
        one = suspect_without_container(arm, kind, kind, f"their number grows ({signal})", UNKNOWN_RATES)
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
