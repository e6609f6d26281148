"""The end of ``soak ablate``: the report of the run, and what each fault of the leaky gateway leaks per request."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.ablation.figure import ablation_figure
from analysis.ablation.leak_per_fault import ALL, FAULTS, NONE, FaultLeak, fault_leaks
from analysis.ablation.text import ablation_text
from analysis.commands.answer import Answer, answer
from analysis.recording.read import read_recording
from analysis.report.files import csv_text, write_files
from analysis.report.write import make_report
from analysis.verdict.validity import all_objections, arm_objections, load_summary
from soak.contract import REPORT
from soak.errors import EXIT_INCONCLUSIVE, EXIT_OK, RecordingError


def command(
    run: Annotated[Path, typer.Argument(help="The run directory of an ablation, for example runs/latest.")],
) -> None:
    """Write the report of an ablation, and what each fault leaks per request.

    Exit codes: 0 done, 2 no readable ablation, 4 inconclusive.
    """
    make_report(run)
    answer(make_ablation(run))


def make_ablation(run_dir: Path) -> Answer:
    """Read a run directory and write ``ablation.csv`` and ``ablation.png`` into its ``report/``.

    An ablation signs nothing: it is inconclusive or done.

    Raises RecordingError when the directory is no readable recording or lacks one of an ablation's arms, and
    HarnessError when the files cannot be written.
    """
    recording = read_recording(run_dir)
    names = [arm.name for arm in recording.arms]
    if missing := [name for name in (ALL, *FAULTS, NONE) if name not in names]:
        raise RecordingError(
            f"{run_dir}: no arm {', '.join(missing)} (there are {', '.join(names)}), so this is no ablation; "
            "give a run of the profile ablation."
        )
    found = fault_leaks(recording)
    objections = all_objections(
        recording,
        (arm_objections(recording, arm, load_summary(arm, recording.load)) for arm in recording.arms),
    )
    why = tuple(one.sentence for one in objections)
    write_files(
        run_dir / REPORT,
        {"ablation.csv": csv_text(FaultLeak, found), "ablation.png": ablation_figure(recording, found)},
    )
    return Answer(ablation_text(recording, found, why), EXIT_INCONCLUSIVE if why else EXIT_OK)
