"""The findings as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from bench.estimate import Finding


def findings_table(findings: Sequence[Finding]) -> Table:
    """Return a table with a line per finding, less than 80 columns wide."""
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


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"
