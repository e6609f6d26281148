"""Starts the analysis as a process of its own: the runner imports nothing of it."""

from __future__ import annotations

import os
import sys
import time
from typing import Final, Literal, NoReturn

import typer

from soak.contract import MANIFEST
from soak.errors import EXIT_INCONCLUSIVE, EXIT_INTERRUPTED, EXIT_OK, HarnessError
from soak.process.child import start_kept
from soak.process.spec import module_argv
from soak.supervisor.ending import StopRequest
from soak.supervisor.launch import Outcome

LOOK_EVERY_S: Final = 0.05
"""Seconds between two looks at the process of the report."""

FailOn = Literal["inconclusive", "leak"]
"""From which result on a run fails: ``leak`` lets an inconclusive or refused one pass."""


def finish(
    outcome: Outcome,
    stop_request: StopRequest,
    command: str = "report",
    fail_on: FailOn = "inconclusive",
) -> NoReturn:
    """Report what was recorded, and only then raise what ended the run early.

    A signal meanwhile, and a second one before, leave the report to ``soak report``. Raises typer.Exit with the exit
    code of the report, in which ``fail_on`` leak turns EXIT_INCONCLUSIVE into EXIT_OK, or with EXIT_INTERRUPTED;
    HarnessError when a signal ended the report; or the run's own error.
    """
    if outcome.error is not None and not (outcome.directory / MANIFEST).exists():
        raise outcome.error  # nothing was recorded
    words = (command, str(outcome.directory))
    code = None if stop_request.is_repeated else run_analysis(stop_request, *words)
    if code is None:
        text = f"interrupted; the recording is kept. Run soak report {outcome.directory} for its report."
        print(f"soak: {text}", file=sys.stderr)
        raise typer.Exit(EXIT_INTERRUPTED)
    if outcome.error is not None:
        raise outcome.error
    if code < 0:
        raise HarnessError(
            f"The report was ended by signal {-code}; the recording is kept. Run soak report {outcome.directory}."
        )
    if code == EXIT_INCONCLUSIVE and fail_on == "leak":
        print(f"soak: not signed off; exit code 0 instead of {code}: --fail-on leak.", file=sys.stderr)
        code = EXIT_OK
    raise typer.Exit(code)


def run_analysis(stop_request: StopRequest, command: str, *words: str) -> int | None:
    """Return the exit code of a command of the analysis; None where a signal that came meanwhile has ended it."""
    asked_before = stop_request.is_noted
    process, channel, _ = start_kept(command, module_argv("analysis", command, *words), os.environ)
    with channel:  # this process may be killed: the command ends with it
        while (code := process.poll()) is None:
            if stop_request.is_repeated or stop_request.is_noted > asked_before:
                process.kill()
            time.sleep(LOOK_EVERY_S)
    return None if stop_request.is_repeated or stop_request.is_noted > asked_before else code
