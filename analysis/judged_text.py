"""Verdicts, gates and sign-off as text for the terminal and as Markdown."""

from __future__ import annotations

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analysis.arm_verdict import ArmVerdict, SignalVerdict
from analysis.console import new_table
from analysis.gates import LEAK_GATE, Gate
from analysis.grew import ArmGrew
from analysis.grew_text import grew_markdown
from analysis.judged import Judged
from analysis.markdown_table import literal, markdown_table
from analysis.verdict_text import interval_text, rate_text, signal_text, verdict_line
from analysis.words import verdict_name


def judged_parts(judged: Judged) -> list[RenderableType]:
    """Return what a report begins with: a line per arm, the gates, the sign-off."""
    parts: list[RenderableType] = [Text(verdict_line(verdict)) for verdict in judged.verdicts]
    if judged.gates:
        parts += [Text(f"\nGates of {judged.gates[0].arm}"), _gate_table(judged.gates)]
        parts += [Text(f"{gate.gate}: {gate.why}.") for gate in judged.gates if _needs_a_word(gate)]
    return [*parts, Text(f"\n{judged.signoff.sentence}.")]


def verdict_markdown(title: str, judged: Judged, grew: tuple[ArmGrew, ...] = ()) -> str:
    """Return ``verdict.md``: verdicts, gates, what grew, and what every signal said."""
    lines = [f"# {literal(title)}", "", f"**{literal(judged.signoff.sentence)}.**", ""]
    lines += [f"- {literal(verdict_line(verdict))}" for verdict in judged.verdicts]
    if judged.gates:
        rows = [[g.gate, g.measured, g.interval, g.limit, g.outcome, g.why] for g in judged.gates]
        head = ["gate", "measured", "interval (95%)", "limit", "outcome", "why"]
        lines += ["", f"## Gates of {literal(judged.gates[0].arm)}", "", *markdown_table(head, rows)]
    lines += grew_markdown(grew)
    for verdict in judged.verdicts:
        if verdict.signals:
            lines += ["", f"## Signals of {literal(verdict.arm)}", "", *_signals(verdict)]
    return "\n".join([*lines, ""])


def _signals(verdict: ArmVerdict) -> list[str]:
    head = ["signal", "verdict", "rate", "interval (95%)", "margin", "reason"]
    return markdown_table(head, [_signal(verdict, signal) for signal in verdict.signals])


def _signal(verdict: ArmVerdict, signal: SignalVerdict) -> list[str]:
    judgement = signal.judgement
    rate = judgement.per_s if verdict.margin.per_request is None else judgement.per_request
    margin = signal.margin.per_s if signal.margin.per_request is None else signal.margin.per_request
    name = judgement.signal
    return [
        signal_text(signal),
        verdict_name(judgement.verdict) + (", held by the allocator" if signal.held else ""),
        "" if rate is None else rate_text(rate.value, name, verdict.margin),
        "" if rate is None else interval_text(rate, name, verdict.margin),
        rate_text(margin or 0.0, name, verdict.margin),
        judgement.reason,
    ]


def _gate_table(gates: tuple[Gate, ...]) -> Table:
    table = new_table("gate", "measured", "95%", "limit", "outcome")
    for gate in gates:
        table.add_row(gate.gate, gate.measured, gate.interval, gate.limit, gate.outcome)
    return table


def _needs_a_word(gate: Gate) -> bool:
    """Return whether the table leaves open why; the leak gate's reason is the verdict's line above it."""
    return gate.outcome == "inconclusive" and gate.gate != LEAK_GATE
