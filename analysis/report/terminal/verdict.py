"""The verdicts, gates and sign-off, for a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analysis.report.terminal.tables import new_table
from analysis.verdict.gates import LEAK_GATE, Gate
from analysis.verdict.run import Judged
from analysis.verdict.wording import verdict_line


def judged_parts(judged: Judged) -> list[RenderableType]:
    """Return what a report begins with: a line per arm, the gates, the sign-off."""
    parts: list[RenderableType] = [Text(verdict_line(verdict)) for verdict in judged.verdicts]
    if judged.gates:
        parts += [Text(f"\nGates of {judged.gates[0].arm}"), _gate_table(judged.gates)]
        parts += [Text(f"{gate.gate}: {gate.why}.") for gate in judged.gates if _needs_a_word(gate)]
    return [*parts, Text(f"\n{judged.signoff.sentence}.")]


def _gate_table(gates: tuple[Gate, ...]) -> Table:
    table = new_table("gate", "measured", "95%", "limit", "outcome")
    for gate in gates:
        table.add_row(gate.gate, gate.measured, gate.interval, gate.limit, gate.outcome)
    return table


def _needs_a_word(gate: Gate) -> bool:
    """Return whether the table leaves open why; the leak gate's reason is the verdict's line above it."""
    return gate.outcome == "inconclusive" and gate.gate != LEAK_GATE
