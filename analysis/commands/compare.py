"""``soak compare``: the candidates of two recordings, each against the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from analysis.commands.answer import answer
from analysis.commands.judge import Verdicts
from analysis.judge import judge
from analysis.recording.read import read_recording
from analysis.report.terminal.tables import outcome, render
from analysis.report.terminal.verdict import judged_parts
from analysis.verdict.arm import Judge
from analysis.verdict.comparability import differences
from analysis.verdict.gates import Side
from analysis.verdict.run import candidate_of, decide, judge_sides
from analysis.verdict.wording import verdict_line
from soak.errors import UsageError


def command(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run of the last release.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run of today's candidate.")],
) -> None:
    """Compare two runs recorded separately; "x before" in the gates of RUN_B is the candidate of RUN_A.

    Refused where host, Python, load, limits or file format differ, with the differences named.

    Exit codes: 0 signed off, 2 the runs do not compare or are not readable, 3 a gate failed, 4 inconclusive or refused.
    """
    answer(compare_runs(first, second))


def compare_runs(first: Path, second: Path, judge: Judge = judge) -> Verdicts:
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
    return Verdicts(text, judged.signoff.exit_code)


def _candidate(run_dir: Path, seen: tuple[Side, ...]) -> Side:
    candidate = candidate_of(seen)
    if candidate is None:
        names = ", ".join(side.arm.name for side in seen)
        raise UsageError(
            f'{run_dir}: no arm is the candidate ({names}): give one role = "after" and run it again.'
        )
    return candidate
