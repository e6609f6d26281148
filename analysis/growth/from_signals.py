"""Suspects from signals of the verdict that no container and no type explains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from analysis.growth.classify import (
    BUFFERS,
    CYCLES,
    FDS,
    FINISHED_TASKS,
    NATIVE,
    PENDING_TASKS,
    THREADS,
    UNCLOSED_SESSIONS,
    is_of_a_connection_library,
)
from analysis.growth.from_types import EXPLAINED
from analysis.growth.rest_of_memory import growth_beside, kind_of_rest, name_of_rest
from analysis.growth.suspect import UNKNOWN_RATES, LeakSuspect, Rates, suspect_without_container
from analysis.growth.trends import TypeGrowth
from analysis.judge.types import NO_LEAK
from analysis.recording.accounting import HELD, PYTHON, REST
from analysis.recording.accounting import NATIVE as NATIVE_BYTES
from analysis.recording.model import Arm, Phase, within
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.decision import SignalVerdict


def has_leak(verdict: ArmVerdict) -> bool:
    """Return whether any signal of the arm is a leak."""
    return any(signal.leaks for signal in verdict.signals)


def leak_rates(verdict: ArmVerdict) -> dict[str, Rates]:
    """Return the rates per request and per second of the signals that are a leak."""
    return {
        signal.judgement.signal: (signal.judgement.per_request, signal.judgement.per_s)
        for signal in verdict.signals
        if signal.leaks
    }


def memory_growth(verdict: ArmVerdict) -> Rates:
    """Return the growth of the arm's memory; unknown where no signal of it has a rate."""
    memory = verdict.memory
    return (memory.per_request, memory.per_s) if memory else UNKNOWN_RATES


def cycle_suspects(arm: Arm, load: Phase, verdict: ArmVerdict) -> list[LeakSuspect]:
    """Return the cycles that the ladder's collection freed, where they are half of the growth under load."""
    rungs = arm.ladder.set_index("rung")[HELD]
    freed = float(rungs.get("drained", math.nan)) - float(rungs.get("collected", math.nan))
    rows = within(arm.samples, load.start_s, load.end_s).dropna(subset=HELD)
    if rows.empty or not math.isfinite(freed):
        return []
    last = rows[rows["life"] == rows["life"].max()][HELD]
    grown = float(last.iloc[-1] - last.iloc[0])
    if grown <= 0 or freed < EXPLAINED * grown:
        return []
    why = f"gc.collect() after the load freed {min(1.0, freed / grown):.0%} of the growth under load"
    return [suspect_without_container(arm, CYCLES, "reference cycles", why, memory_growth(verdict))]


def memory_suspects(
    arm: Arm, load: Phase, verdict: ArmVerdict, types: list[TypeGrowth], suspects: list[LeakSuspect]
) -> list[LeakSuspect]:
    """Return growth of a part of memory that is in no Python object.

    Growth of the objects in the census, or of the containers, explains Python's memory and malloc's, which serves
    objects of more than 512 bytes.
    """
    rates, judged = leak_rates(verdict), {signal.judgement.signal: signal for signal in verdict.signals}
    retained = sum(one.bytes_per_s or 0.0 for one in suspects)
    objects = max(retained, sum(one.bytes_per_s for one in types))

    def unexplained(part: str) -> Rates | None:
        found = rates.get(part)
        return found if found and found[1] and objects < EXPLAINED * found[1].value else None

    found = []
    flat = PYTHON in judged and judged[PYTHON].judgement.verdict == NO_LEAK
    # A large block moves from native memory to the rest as it fills, so that neither may be a leak alone.
    in_both = unexplained(HELD) if flat and not rates.keys() & {NATIVE_BYTES, REST} else None
    most = _grows_most(judged) if in_both else ""
    if native := unexplained(NATIVE_BYTES) or (in_both if most == NATIVE_BYTES else None):
        why = "malloc's bytes in use grow, " + (
            "Python's do not" if flat else "Python's objects by less than half of it"
        )
        found.append(suspect_without_container(arm, NATIVE, "native memory", why, native))
    if python := unexplained(PYTHON):
        why = "blocks of Python's allocator grow, objects by less than half of that: an extension's buffers"
        found.append(suspect_without_container(arm, BUFFERS, "memory of no object", why, python))
    rest = in_both if most == REST else rates.get(REST)
    return found + _rest_suspects(arm, load, rest, threads_leak="threads" in rates)


def _grows_most(judged: Mapping[str, SignalVerdict]) -> str:
    """Return which of native memory and the rest grows faster; empty where neither has a rate above 0."""
    rates = {part: judged[part].judgement.per_s for part in (NATIVE_BYTES, REST) if part in judged}
    value, part = max(((rate.value, part) for part, rate in rates.items() if rate), default=(0.0, ""))
    return part if value > 0 else ""


def _rest_suspects(arm: Arm, load: Phase, rest: Rates | None, *, threads_leak: bool) -> list[LeakSuspect]:
    """Return growth of memory that no allocator accounts for, by what grew beside it."""
    beside = growth_beside(arm, load)
    if rest is None or rest[1] is None or beside is None:
        return []
    grown = rest[1].value * beside.seconds
    kind = kind_of_rest(grown, beside, threads_leak=threads_leak)
    return [suspect_without_container(arm, kind.name, name_of_rest(kind, beside), kind.why, rest)]


def kind_of_tasks(arm: Arm, verdict: ArmVerdict) -> str:
    """Return the kind of the arm's tasks where their number is a leak; empty where it is none."""
    if "tasks_alive" not in leak_rates(verdict):
        return ""
    rows = arm.readings("tasks_finished")
    half = len(rows) and rows["tasks_finished"].max() >= EXPLAINED * rows["tasks_alive"].max()
    return FINISHED_TASKS if half else PENDING_TASKS


def connections_leak(verdict: ArmVerdict) -> bool:
    """Return whether open sessions or file descriptors are a leak of the arm."""
    return not leak_rates(verdict).keys().isdisjoint({"sessions_open", "fds"})


def _has_descriptors(one: LeakSuspect, rates: Rates) -> bool:
    """Return whether connections explain descriptors that grow at these rates.

    Those of the target's own types only where they grow about as fast: by its name one may have none.
    """
    if one.kind != UNCLOSED_SESSIONS:
        return False
    if not one.type or any(map(is_of_a_connection_library, (one.type, *one.holds.split(", ")))):
        return True
    _, second = rates
    each = (one.items_per_s or 0.0) / second.value if second and second.value > 0 else 0.0
    return EXPLAINED <= each <= 1 / EXPLAINED


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
        if kind == FDS and any(_has_descriptors(one, rates) for one in (*suspects, *found)):
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
