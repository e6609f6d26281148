"""The verdicts, gates and sign-off, in Markdown."""

from __future__ import annotations

from analysis.growth.arm import ArmGrowth
from analysis.report.growth_tables import suspect_tables, type_tables
from analysis.report.markdown.table import literal, section
from analysis.report.site_tables import site_tables
from analysis.report.tables import gate_table, signal_table
from analysis.sites.found import ArmSites
from analysis.verdict.run import JudgedRun
from analysis.verdict.wording import control_line, verdict_line


def verdict_markdown(
    title: str, judged: JudgedRun, growth: tuple[ArmGrowth, ...] = (), sites: tuple[ArmSites, ...] = ()
) -> str:
    """Return ``verdict.md``: verdicts, gates, leak suspects, where they were allocated, and each signal."""
    gates = gate_table(judged)
    copies = () if judged.control is None else (judged.control.copy.verdict,)
    tables = (
        *([gates] if gates else []),
        *suspect_tables(growth),
        *type_tables(growth),
        *site_tables(sites),
        *(signal_table(verdict) for verdict in (*judged.verdicts, *copies) if verdict.signals),
    )
    lines = [f"# {literal(title)}", "", f"**{literal(judged.signoff.sentence)}.**", ""]
    lines += [f"- {literal(verdict_line(verdict))}" for verdict in judged.verdicts]
    lines += [] if judged.control is None else [f"- {literal(control_line(judged.control))}"]
    return "\n".join([*lines, *(line for table in tables for line in section(table)), ""])
