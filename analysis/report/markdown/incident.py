"""The report's tables as Markdown."""

from __future__ import annotations

from collections.abc import Iterable

from analysis.incident.claims import Claim
from analysis.incident.formatting import memory_note
from analysis.report.contents import ReportContents
from analysis.report.markdown.table import literal, markdown_table


def comparison_markdown(findings: ReportContents) -> str:
    """Return the comparison as a Markdown table, with its rules."""
    manifest = findings.recording.manifest
    incident = manifest.incident
    head = ["measure", "incident before", "incident after", "incident change"] if incident else ["measure"]
    head += [*("measured " + name for name in ("before", "after", "change"))]
    head += ["scale", "reproduced", "rule"] if incident else []
    rows = []
    for row in findings.rows:
        cells = [row.measure]
        cells += [row.incident_before, row.incident_after, row.incident_change] if incident else []
        cells += [row.measured_before, row.measured_after, row.measured_change]
        cells += [row.scale, row.reproduced, row.rule] if incident else []
        rows.append(cells)
    note = ["", memory_note(manifest.memory_scale)] if incident else []
    return "\n".join(
        [f"# {literal(manifest.run_id)}: before and after", "", *markdown_table(head, rows), *note, ""]
    )


def claims_markdown(findings: ReportContents) -> str:
    """Return the claims and the lines of the incident's log as two Markdown tables."""
    manifest = findings.recording.manifest
    lines = [
        f"# {literal(manifest.run_id)}: claims about the incident",
        "",
        *_claims("claim", findings.claims),
        "",
        memory_note(manifest.memory_scale),
        "",
        "## The incident's log, and the same moments of this run (UTC)",
        "",
        *_claims("event", findings.timeline),
        "",
    ]
    return "\n".join(lines)


def _claims(first: str, claims: Iterable[Claim]) -> list[str]:
    rows = [
        [claim.claim, claim.incident, claim.measured, claim.reproduced, claim.sentence] for claim in claims
    ]
    return markdown_table([first, "incident", "measured", "reproduced", "in a sentence"], rows)
