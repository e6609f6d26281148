"""The verdicts, gates and sign-off, for a terminal."""

from __future__ import annotations

from rich.console import RenderableType
from rich.text import Text

from analysis.report.tables import gate_table, open_reasons
from analysis.report.terminal.tables import captioned
from analysis.verdict.run import JudgedRun
from analysis.verdict.wording import control_line, verdict_line


def judged_parts(judged: JudgedRun) -> list[RenderableType]:
    """Return what a report begins with: a line per arm, the gates, the sign-off."""
    parts: list[RenderableType] = [Text(verdict_line(verdict)) for verdict in judged.verdicts]
    if judged.control is not None:
        parts.append(Text(control_line(judged.control)))
    if table := gate_table(judged):
        parts += captioned(table.without("reason"))
        parts += [Text(f"{gate}: {reason}.") for gate, reason in open_reasons(judged)]
    return [*parts, Text(f"\n{judged.signoff.sentence}.")]
