"""``comparison.md`` and ``claims.md``."""

from __future__ import annotations

from analysis.report.contents import ReportContents
from analysis.report.markdown.table import literal, markdown_table, section
from analysis.report.tables import claims_table, comparison_table, timeline_table


def comparison_markdown(contents: ReportContents) -> str:
    """Return the comparison of before and after, with its rules."""
    table = comparison_table(contents)
    title = f"# {literal(contents.recording.manifest.run_id)}: before and after"
    return "\n".join([title, "", *markdown_table(table), ""])


def claims_markdown(contents: ReportContents) -> str:
    """Return the claims about the incident, and the lines of its log."""
    title = f"# {literal(contents.recording.manifest.run_id)}: claims about the incident"
    lines = [*markdown_table(claims_table(contents)), *section(timeline_table(contents))]
    return "\n".join([title, "", *lines, ""])
