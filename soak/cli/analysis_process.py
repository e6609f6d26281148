"""Starts the analysis as a process of its own: the runner imports nothing of it."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

import typer

from soak.errors import HarnessError
from soak.process.spec import module_argv
from soak.supervisor.launch import Outcome


def analysis_argv(command: str, *words: str) -> list[str]:
    """Return the command line of a command of the analysis."""
    return [*module_argv("analysis", command, *words)]


def become(command: str, words: list[str]) -> NoReturn:
    """Replace this process by a command of the analysis, which parses the words and sets the exit code."""
    argv = analysis_argv(command, *words)
    os.execv(argv[0], argv)  # noqa: S606 - a command of our own


def finish(outcome: Outcome, command: str = "report") -> NoReturn:
    """Report what was recorded, and only then raise what ended the run early.

    Raises typer.Exit with the exit code of the report, HarnessError when a signal ended it, or the run's own error.
    """
    try:
        code = subprocess.call(analysis_argv(command, str(outcome.directory)))
    except KeyboardInterrupt:
        print(
            f"soak: interrupted; the recording is kept. Run soak report {outcome.directory} for its report.",
            file=sys.stderr,
        )
        raise
    if outcome.error is not None:
        raise outcome.error
    if code < 0:
        raise HarnessError(
            f"The report was ended by signal {-code}; the recording is kept. Run soak report {outcome.directory}."
        )
    raise typer.Exit(code)
