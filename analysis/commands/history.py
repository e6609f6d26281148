"""``soak history``: the newest runs of a profile, one beside the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.text import Text

from analysis.commands.answer import Answer, answer
from analysis.history.findings import History, history_of, history_table
from analysis.history.page import history_html
from analysis.history.runs import HistoryRun, read_runs
from analysis.report.files import csv_text, write_files
from analysis.report.terminal.tables import render, terminal_table

PAGE: Final = "history.html"
TABLE: Final = "history.csv"
MOST_RUNS: Final = 200
"""The search for changes takes a second for so many."""


def command(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Directory that contains the runs, for example runs.")
    ],
    candidate: Annotated[
        str, typer.Option(metavar="NAME", help="Arm to follow (default: the candidate of each run).")
    ] = "",
    last: Annotated[int, typer.Option(min=1, max=MOST_RUNS, help="Number of runs, the newest.")] = 20,
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="Profile to follow (default: that of the newest run).")
    ] = "",
) -> None:
    """Write DIR/history.html and history.csv: the last runs of a profile side by side, and what changed.

    Exit codes: 0 written, 2 no run with a report.
    """
    answer(write_history(directory, candidate, last, profile))


def write_history(directory: Path, candidate: str = "", last: int = 20, profile: str = "") -> Answer:
    """Read the runs in a directory and write the page and the table into it, each file replaced at once.

    Raises UsageError when there is no such run, HarnessError when the files cannot be written.
    """
    history = history_of(read_runs(directory, candidate, last, profile))
    files = {PAGE: history_html(history, directory), TABLE: csv_text(HistoryRun, history.runs)}
    write_files(directory.resolve(), files, "soak history")
    return Answer(f"{_text(history)}\nPage: {directory / PAGE}")


def _text(history: History) -> str:
    lines = [line for found in history.found for line in found.lines]
    table = history_table(history)
    if not any(run.differs for run in history.runs):
        table = table.without("note")  # the lines below have the rest
    left_out = ["", "Left out:", *(f"- {line}" for line in history.left_out)] if history.left_out else []
    return render(
        [
            Text(f"{history.headline}.\n"),
            terminal_table(table, {"leak": 24, "note": 16}),
            *(Text(line) for line in ("", *lines, *left_out)),
        ]
    )
