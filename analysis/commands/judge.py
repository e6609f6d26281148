"""Judges a recording or another tool's file: verdicts without figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from rich.text import Text

from analysis.external.files import Columns, read_foreign, restarts
from analysis.judge import judge
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Margin
from analysis.recording.read import read_recording
from analysis.report.terminal.tables import outcome, render
from analysis.report.terminal.verdict import judged_parts
from analysis.verdict.arm import ArmVerdict, Judge, SignalVerdict
from analysis.verdict.run import baseline_of, candidate_of, decide, judge_sides
from analysis.verdict.wording import verdict_line
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_OK

MANY_FALLS = 2
"""One may be anything."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the command line needs."""

    text: str
    exit_code: int


def judge_run(run_dir: Path, judge: Judge = judge) -> Answer:
    """Judge a recording; raises RecordingError when it cannot be read."""
    recording = read_recording(run_dir)
    seen = judge_sides(recording, judge)
    judged = decide(recording, seen, candidate_of(seen), baseline_of(seen))
    end = outcome(judged.reasons, attached=recording.manifest.attached)
    return Answer(render([*judged_parts(judged), *end]), judged.signoff.exit_code)


def judge_file(
    path: Path, columns: Columns | None, margin: Margin, limit_bytes: float | None, judge: Judge = judge
) -> Answer:
    """Judge the RSS in a file of another tool; raises RecordingError when it cannot be read.

    Restarts that are not told apart look like a sawtooth, which no leak outlasts: nothing is passed on that.
    """
    readings = read_foreign(path, columns)
    judgement = judge(readings, margin, limit_bytes=limit_bytes)
    if judgement.verdict == NO_LEAK and (falls := restarts(readings)) >= MANY_FALLS:
        reason = (
            f"its memory fell by more than half {falls} times, as it does when a process is started again, and that "
            "hides a leak: name the column that tells the processes apart by --life-column"
        )
        judgement = replace(judgement, verdict=INCONCLUSIVE, reason=reason)
    known = [float(value) for value in readings.value if math.isfinite(value)]
    headroom = limit_bytes - known[-1] if limit_bytes is not None and known else None
    signal = SignalVerdict(judgement, margin, settled=False)
    verdict = ArmVerdict(
        path.name, judgement.verdict, judgement.reason, margin, signal, (signal,), headroom, oom_kills=0
    )
    codes = {LEAK: EXIT_GATE_FAILED, NO_LEAK: EXIT_OK}
    return Answer(render([Text(verdict_line(verdict))]), codes.get(judgement.verdict, EXIT_INCONCLUSIVE))
