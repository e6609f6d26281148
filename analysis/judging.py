"""What ``soak judge`` and ``soak compare`` print: verdicts without figures."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from rich.text import Text

from analysis.arm_verdict import ArmVerdict, Judge, SignalVerdict
from analysis.console import outcome, render
from analysis.foreign import Columns, read_foreign, restarts
from analysis.gates import Side
from analysis.judge import judge
from analysis.judge.model import INCONCLUSIVE, LEAK, NO_LEAK, Margin
from analysis.judged import baseline_of, candidate_of, decide, judge_sides
from analysis.judged_text import judged_parts
from analysis.matching import differences
from analysis.recording import read_recording
from analysis.verdict_text import verdict_line
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_OK, UsageError

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


def compare_runs(first: Path, second: Path, judge: Judge = judge) -> Answer:
    """Judge the candidates of two recordings; ``x before`` in the second's gates is the first's candidate.

    Raises UsageError when the runs do not compare or one has no candidate, RecordingError when one cannot be read.
    """
    recordings = (read_recording(first), read_recording(second))
    if found := differences(recordings[0].manifest, recordings[1].manifest):
        raise UsageError(
            f"{first} and {second} do not compare: {'; '.join(found)}. Repeat one of them as the other was made."
        )
    seen = tuple(judge_sides(recording, judge) for recording in recordings)
    before, after = (_candidate(run_dir, sides) for run_dir, sides in zip((first, second), seen, strict=True))
    judged = decide(recordings[1], seen[1], after, before)
    earlier = Text(f"{recordings[0].manifest.run_id}: {verdict_line(before.verdict)}")
    later = Text(f"\n{recordings[1].manifest.run_id}:")
    text = render([earlier, later, *judged_parts(judged), *outcome(judged.reasons)])
    return Answer(text, judged.signoff.exit_code)


def _candidate(run_dir: Path, seen: tuple[Side, ...]) -> Side:
    candidate = candidate_of(seen)
    if candidate is None:
        names = ", ".join(side.arm.name for side in seen)
        raise UsageError(
            f'{run_dir}: no arm is the candidate ({names}): give one role = "after" and run it again.'
        )
    return candidate
