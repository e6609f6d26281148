"""The verdicts, gates and sign-off, for a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analysis.report.gates import GateRow, gate_rows
from analysis.report.terminal.tables import new_table
from analysis.verdict.gates import GateResult
from analysis.verdict.run import JudgedRun
from analysis.verdict.wording import verdict_line


def judged_parts(judged: JudgedRun) -> list[RenderableType]:
    """Return what a report begins with: a line per arm, the gates, the sign-off."""
    parts: list[RenderableType] = [Text(verdict_line(verdict)) for verdict in judged.verdicts]
    if rows := gate_rows(judged):
        parts += [Text(f"\nGates of {rows[0].arm}"), _gate_table(rows)]
        undecided = [row for row in rows if row.outcome is GateResult.INCONCLUSIVE]
        parts += [Text(f"{row.gate}: {row.open_why}.") for row in undecided if row.open_why]
    return [*parts, Text(f"\n{judged.signoff.sentence}.")]


def _gate_table(gates: tuple[GateRow, ...]) -> Table:
    table = new_table("gate", "measured", "95%", "limit", "outcome")
    for gate in gates:
        table.add_row(gate.gate, gate.measured, gate.interval, gate.limit, gate.outcome)
    return table
