"""``soak report``: the report of a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from analysis.commands.answer import Answer, answer
from analysis.report.write import make_report


def command(
    run: Annotated[Path, typer.Argument(help="A run directory, for example runs/latest.")],
    load_ended: Annotated[
        bool, typer.Option("--load-ended", hidden=True, help="The run goes on after the load to report on.")
    ] = False,
) -> None:
    """Regenerate the report of a run, including an interrupted one.

    Exit codes: 0 signed off, 2 no readable recording, 3 a gate failed, 4 inconclusive or refused.
    """
    report = make_report(run, load_ended=load_ended)
    answer(Answer(f"{report.text}\nReport: {report.directory / 'report.html'}", report.exit_code))
