"""``soak compare``: the candidates of two recordings, each against the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from analysis.commands.answer import Answer, answer
from analysis.recording.manifest import Manifest
from analysis.recording.read import read_recording
from analysis.report.terminal.tables import outcome, render
from analysis.report.terminal.verdict import judged_parts
from analysis.verdict.comparability import differences, same_build
from analysis.verdict.run import Release, arm_named, judged_run
from analysis.verdict.wording import verdict_line
from soak.errors import UsageError


def command(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", help="The run of the last release.")],
    second: Annotated[Path, typer.Argument(metavar="RUN_B", help="The run of today's candidate.")],
) -> None:
    """Compare two runs recorded separately; "x before" in the gates of RUN_B is the candidate of RUN_A.

    Refused where host, Python, load, phases, limits, engines or the rhythm of readings differ, which are listed.

    Exit codes: 0 signed off, 2 not comparable, 3 a gate failed, 4 inconclusive or refused.
    """
    answer(compare_runs(first, second))


def compare_runs(first: Path, second: Path) -> Answer:
    """Judge the candidates of two recordings; ``x before`` in the second's gates is the first's candidate.

    Raises UsageError when the runs do not compare or one has no candidate, RecordingError when one cannot be read.
    """
    earlier, later = read_recording(first), read_recording(second)
    if found := differences(earlier.manifest, later.manifest):
        raise UsageError(
            f"{first} and {second} do not compare: {'; '.join(found)}. Repeat one of them with equal settings."
        )
    for run_dir, recording in ((first, earlier), (second, later)):
        _require_candidate(run_dir, recording.manifest)
    before = arm_named(judged_run(earlier).arms, earlier.manifest.candidate)
    assert before is not None  # noqa: S101 - required above
    run_ids = earlier.manifest.run_id, later.manifest.run_id
    judged = judged_run(later, Release(run_ids[0], before))
    head = [Text(f"{run_ids[0]}: {verdict_line(before.verdict)}")]
    if build := same_build(earlier.manifest, later.manifest):
        head.append(Text(f"Both candidates are the same build, {build}; what differs is no change of it."))
    head.append(Text(f"\n{run_ids[1]}:"))
    text = render([*head, *judged_parts(judged), *outcome(judged.reasons)])
    return Answer(text, judged.signoff.exit_code)


def _require_candidate(run_dir: Path, manifest: Manifest) -> None:
    names = [arm.name for arm in manifest.arms]
    if manifest.candidate not in names:
        raise UsageError(
            f'{run_dir}: no arm is the candidate ({", ".join(names)}): give one role = "after" and run it again.'
        )
