"""``soak replay``: where a finished run allocates what it retains."""

from __future__ import annotations

from typing import Annotated

import typer

from soak.cli import options
from soak.cli.analysis_process import run_analysis
from soak.cli.progress import make_progress
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, EXIT_OK, HarnessError
from soak.limit.choose import enter_scope
from soak.process.child import describe_exit
from soak.replay.finished import replay_finished
from soak.supervisor.launch import noted_signals


def replay(
    directory: options.RunDirectory,
    arm: Annotated[str, typer.Option(metavar="NAME", help="Arm to replay (default: those that leak).")] = "",
) -> None:
    """Replay the load of a finished run, traced, to find the lines that allocate what an arm retains.

    The result is a directory beside the run's, with a report. Refused where the load or what the arm runs has changed.

    Exit codes: 0 done or nothing leaks, 1 its report failed, 2 refused, 4 an arm could not be traced, 130 interrupted.
    """
    enter_scope()
    with noted_signals() as stop_request:
        with make_progress(None) as progress:
            found = replay_finished(directory, arm, progress, stop_request)
        if found is None:
            raise typer.Exit(EXIT_OK)
        code = run_analysis(stop_request, "report", str(found.directory))
    if code is None:
        raise typer.Exit(EXIT_INTERRUPTED)
    if code not in (EXIT_OK, EXIT_GATE_FAILED, EXIT_INCONCLUSIVE):  # the decision is that of the run
        raise HarnessError(
            f"The report failed ({describe_exit(code)}); the replay is kept. Run soak report {found.directory}."
        )
    statuses = {one.status for one in found.arms.values()}
    if "interrupted" in statuses:
        raise typer.Exit(EXIT_INTERRUPTED)
    raise typer.Exit(EXIT_INCONCLUSIVE if "refused" in statuses else EXIT_OK)
