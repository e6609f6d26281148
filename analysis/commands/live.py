"""``soak judge --follow``: evaluates a running soak periodically and writes ``live.json``."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from analysis.formatting import format_duration
from analysis.growth.classify import FILLING
from analysis.growth.from_containers import container_suspects
from analysis.judge.types import INCONCLUSIVE, LEAK
from analysis.recording.growing import GrowingRecording
from analysis.recording.model import Arm, Recording
from analysis.report.gates import gate_row
from analysis.report.growth_tables import suspect_text
from analysis.verdict.arm import ArmVerdict, arm_verdict
from analysis.verdict.decision import FAMILY_ERROR
from analysis.verdict.gates import failed_already
from analysis.verdict.processes import process_rows
from analysis.verdict.wording import verdict_sentence
from soak.array_cache import fill_array_cache
from soak.contract import DRAIN, LIVE, LOAD, ArmLive, Live, ProcessLive
from soak.contract.evidence import MIN_QUIESCE_POINTS, MIN_READINGS_UNDER_LOAD
from soak.regular_files import write_text

LOOK_PAUSE_S: Final = 5.0
"""Least number of seconds between the end of a look and the next."""
PAUSE_PER_LOOK: Final = 49.0
"""Pause after a look, in durations of that look, at most: from the first minutes on judging takes 2% of one core."""
LEAST_PAUSE_PER_LOOK: Final = 4.0
"""Least pause after a look, in durations of that look: judging takes a fifth of one core at most."""
PAUSE_SHARE: Final = 0.1
"""Share of the load so far beyond which a pause need not last for the sake of PAUSE_PER_LOOK: a fast leak is called in
its first minutes."""
FIRST_LOOK_S: Final = 30.0
"""Seconds of load before the first look, or those of MIN_READINGS_UNDER_LOAD rows where that is more: an earlier one
could decide nothing and would spend error all the same."""
LASTING_SHARE: Final = 0.5
"""Last share of the load so far in which every look must have called a leak, for it to be certain: in the first minutes
of a long warm-up its growth is straight, and does not bend until it has lasted as long again."""
CERTAIN_FROM: Final = 0.1
"""Share of the planned load before which no leak is certain."""
CERTAIN_FROM_S: Final = 120.0
"""Seconds of load before which none is either, however short the load: services warm up for minutes."""
INJECTED: Final = "control, with an injected leak"
"""Beginning of the reason of the copy of the candidate."""


def look_error(look: int) -> float:
    """Return the family-wise error of look number ``look``, from 1: all looks together spend FAMILY_ERROR.

    The k-th has 1/(k (k+1)) of it, which sums to 1 over any number of looks (a union bound over them).
    """
    return FAMILY_ERROR / (look * (look + 1))


def follow(
    run_dir: Path,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    parent: Callable[[], int] = os.getppid,
) -> None:
    """Write ``live.json`` until the load has ended, the run has, or the process that started this one is gone.

    Raises RecordingError when the directory is no readable recording, HarnessError when it cannot be written to.
    """
    fill_array_cache()
    born_of, look, growing = parent(), 0, GrowingRecording(run_dir)
    called_s: dict[str, float] = {}
    while parent() == born_of:
        began_s = clock()
        recording = growing.read()
        load = recording.load
        loaded_s = 0.0 if load is None else load.end_s - load.start_s
        if loaded_s >= max(FIRST_LOOK_S, MIN_READINGS_UNDER_LOAD * recording.manifest.every_s):
            look += 1
            found = live(recording, look, called_s)
            write_text(run_dir / LIVE, found.to_json())
            called_s = {
                name: called_s.get(name, loaded_s) for name, arm in found.arms.items() if arm.verdict == LEAK
            }
        if recording.manifest.status != "running" or _load_is_over(recording):
            return
        sleep(pause_s(clock() - began_s, loaded_s))


def pause_s(look_s: float, loaded_s: float) -> float:
    """Return how long to rest after a look that took ``look_s``, when the load has lasted ``loaded_s``."""
    short_s = max(LOOK_PAUSE_S, LEAST_PAUSE_PER_LOOK * look_s)
    return max(short_s, min(PAUSE_PER_LOOK * look_s, PAUSE_SHARE * loaded_s))


def is_certain(called_s: float | None, loaded_s: float, planned_s: float) -> bool:
    """Return whether a leak that is called at ``loaded_s`` of the load will be called whatever comes.

    ``called_s`` is the first look, in seconds of the load, since which every look has called it; None where this is the
    first.
    """
    if called_s is None or loaded_s < max(CERTAIN_FROM_S, CERTAIN_FROM * planned_s):
        return False
    return called_s <= (1 - LASTING_SHARE) * loaded_s


def live(recording: Recording, look: int, called_s: Mapping[str, float] | None = None) -> Live:
    """Return the verdict so far, on every arm.

    ``called_s`` is the first look, in seconds of the load, since which every look has called a leak, by arm.
    """
    until_s = recording.phases[-1].end_s if recording.phases else 0.0
    called_s = called_s or {}
    arms = {arm.name: _arm(recording, arm, look, called_s.get(arm.name)) for arm in recording.arms}
    if (copy := recording.copy) is not None:
        found = _arm(recording, copy, look, called_s.get(copy.name))
        arms[copy.name] = replace(found, reason=f"{INJECTED}: {found.reason}")
    return Live(updated_t_s=until_s, arms=arms)


def _arm(recording: Recording, arm: Arm, look: int, called_s: float | None) -> ArmLive:
    # The run is not over, so its load is not complete: objections are left to the report.
    verdict = arm_verdict(recording, arm, error=look_error(look), detectable=False)
    leaks, rising, sentence = (
        verdict.verdict == LEAK,
        _certain_failure_text(recording, arm),
        verdict_sentence(verdict),
    )
    load = recording.load
    loaded_s = 0.0 if load is None else load.end_s - load.start_s
    lasts = leaks and is_certain(called_s, loaded_s, recording.manifest.planned_load_s)
    memory = verdict.memory
    rate = memory.per_s if memory else None
    per_request = memory.per_request if memory else None
    oom = memory.oom if memory and leaks else None
    return ArmLive(
        verdict=verdict.verdict,
        reason="; ".join(text for text in (sentence if leaks else "", rising) if text)
        or "; ".join((sentence, *_waits_for(recording, arm, verdict))),
        signals={signal.judgement.signal: signal.judgement.verdict for signal in verdict.signals},
        certain_fail=lasts or bool(rising),
        suspect=_suspect(recording, arm),
        rate_per_s=rate.value if rate else None,
        rate_per_request=per_request.value if per_request else None,
        low=rate.low if rate else None,
        high=rate.high if rate else None,
        oom_low_s=oom.low if oom else None,
        oom_high_s=oom.high if oom else None,
        processes=tuple(
            ProcessLive(row.life, row.growth, row.bytes_per_s, row.bytes_per_request)
            for row in process_rows(arm, recording.load, verdict.margin, error=look_error(look))
            if row.bytes_per_s is not None
        ),
    )


def _waits_for(recording: Recording, arm: Arm, verdict: ArmVerdict) -> list[str]:
    """Return what an undecided verdict waits for: quiesce points, and whether the load lasts long enough to decide."""
    load, manifest = recording.load, recording.manifest
    if verdict.verdict != INCONCLUSIVE or load is None:
        return []
    waits = []
    sampling = manifest.config.get("sampling")
    every_s = sampling.get("quiesce_every_s") if isinstance(sampling, dict) else None
    missing = MIN_QUIESCE_POINTS - int(arm.points["t_s"].between(load.start_s, load.end_s).sum())
    if isinstance(every_s, int | float) and missing > 0:
        after = format_duration(missing * every_s)
        waits.append(f"judged at quiesce points once there are {MIN_QUIESCE_POINTS}, in about {after}")
    left_s = load.start_s + manifest.planned_load_s - load.end_s
    if left_s > 0:
        more_s = verdict.leading.judgement.more_s if verdict.leading else None
        before = ", before that" if more_s is not None and more_s > left_s else ""
        waits.append(f"the load ends in {format_duration(left_s)}{before}")
    return waits


def _certain_failure_text(recording: Recording, arm: Arm) -> str:
    failed = failed_already(recording, arm)
    if failed is None:
        return ""
    row = gate_row(failed)
    return f"its memory reached {row.measured}, and the gate {row.gate} is {row.limit}"


def _suspect(recording: Recording, arm: Arm) -> str:
    """Return the container that grows most."""
    if recording.load is None:
        return ""
    found = container_suspects(arm, recording.load, arm.heap)
    return next((suspect_text(one) for one in found if one.kind != FILLING), "")


def _load_is_over(recording: Recording) -> bool:
    """Return whether the newest load has been followed by its drain."""
    names = [phase.name for phase in recording.phases]
    return LOAD in names and DRAIN in names[len(names) - 1 - names[::-1].index(LOAD) :]
