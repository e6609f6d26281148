"""The findings as a table for people."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from bench.harness.estimate import Finding
from bench.harness.progress import Progress

WIDTH: Final = 100
"""Where there is no terminal to ask."""


def new_console() -> Console:
    """Return the terminal, or where there is none a page that is wide enough for the tables."""
    terminal = Console()
    return terminal if terminal.is_terminal else Console(width=WIDTH)


def new_progress(console: Console, about_s: float) -> Progress:
    """Return the progress of measurements that take about so many seconds, printed as it is written."""
    return Progress(
        lambda line: console.print(line, highlight=False, markup=False, soft_wrap=True), about_s=about_s
    )


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return a table with a line per finding."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("measured", no_wrap=True)
    for name in ("goal", "result", "95% interval", "verdict"):
        table.add_column(name, justify="right", no_wrap=True)
    for finding in findings:
        measured, unit = finding.measured, finding.unit
        table.add_row(
            finding.name,
            f"{'≥' if finding.goal.at_least else '≤'} {finding.goal.value:g}{unit}",
            f"{_digits(measured.middle)}{unit}",
            f"{_digits(measured.low)} to {_digits(measured.high)}{unit}",
            finding.verdict,
        )
    return table


def write_findings(path: Path, findings: Sequence[Finding]) -> None:
    """Write the findings as CSV, a row for each; raises OSError."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("measured", "unit", "at_least", "at_most", "result", "low", "high", "verdict"))
        for finding in findings:
            goal, measured = finding.goal, finding.measured
            bounds = (goal.value, "") if goal.at_least else ("", goal.value)
            values = (f"{value:.6g}" for value in (measured.middle, measured.low, measured.high))
            rows.writerow((finding.name, finding.unit.strip(), *bounds, *values, finding.verdict))


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"
