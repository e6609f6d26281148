"""The verdicts, gates and sign-off, in Markdown."""

from __future__ import annotations

from analysis.formatting import verdict_name
from analysis.growth.arm import ArmGrowth
from analysis.report.gates import gate_rows
from analysis.report.markdown.growth import growth_markdown
from analysis.report.markdown.table import literal, markdown_table
from analysis.verdict.arm import ArmVerdict, SignalVerdict
from analysis.verdict.run import JudgedRun
from analysis.verdict.wording import interval_text, rate_text, signal_text, verdict_line


def verdict_markdown(title: str, judged: JudgedRun, growth: tuple[ArmGrowth, ...] = ()) -> str:
    """Return ``verdict.md``: verdicts, gates, what grew, and what every signal said."""
    lines = [f"# {literal(title)}", "", f"**{literal(judged.signoff.sentence)}.**", ""]
    lines += [f"- {literal(verdict_line(verdict))}" for verdict in judged.verdicts]
    if judged.gates:
        rows = [[g.gate, g.measured, g.interval, g.limit, g.outcome, g.why] for g in gate_rows(judged)]
        head = ["gate", "measured", "interval (95%)", "limit", "outcome", "why"]
        lines += ["", f"## Gates of {literal(judged.gates[0].arm)}", "", *markdown_table(head, rows)]
    lines += growth_markdown(growth)
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
        verdict_name(judgement.verdict)
        + (", retained by the allocator" if signal.explained_by_allocator else ""),
        "" if rate is None else rate_text(rate.value, name, verdict.margin),
        "" if rate is None else interval_text(rate, name, verdict.margin),
        rate_text(margin or 0.0, name, verdict.margin),
        judgement.reason,
    ]
