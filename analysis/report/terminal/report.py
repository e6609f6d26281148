"""The report as text for the terminal."""

from __future__ import annotations

from typing import Final

from rich.console import RenderableType
from rich.text import Text

from analysis.formatting import format_bytes
from analysis.growth.arm import ArmGrowth
from analysis.incident.row import ComparisonRow
from analysis.recording.measurements import ended
from analysis.recording.model import Arm, Recording
from analysis.report.contents import ReportContents
from analysis.report.growth_tables import suspect_tables
from analysis.report.process_tables import process_tables
from analysis.report.site_lines import first_sites, site_text, why_no_lines
from analysis.report.stuck_tasks import stuck_lines
from analysis.report.tables import claims_table, comparison_table, ladder_table, load_table, slope_table
from analysis.report.terminal.tables import captioned, outcome, render, terminal_table
from analysis.report.terminal.verdict import judged_parts
from analysis.sites.found import ArmSites

SUSPECT_WIDTHS: Final = {"kind": 23}
"""The most columns for the kind of a suspect, so that there is room for the path of references."""
INCIDENT_WIDTHS: Final = {"incident before": 11, "incident after": 12, "measured change": 8, "reproduced": 10}
"""The most columns of what may be wrapped in the comparison, so that the figures of memory are not."""


def report_text(contents: ReportContents) -> str:
    """Return what the command line prints, at most 100 columns wide."""
    recording = contents.recording
    attached = recording.manifest.attached
    ladder = ladder_table(recording)
    # the load of an attached run was not recorded
    load = [] if attached else captioned(load_table(contents).without("failures"))
    return render(
        [
            Text(_headline(recording)),
            *judged_parts(contents.judged),
            *(part for table in process_tables(contents) for part in captioned(table)),
            *suspect_parts(contents.growth),
            *(Text(f"{line}.") for line in stuck_lines(contents).values()),
            *site_parts(contents.sites),
            *_comparison(contents),
            Text("\nLives"),
            *(Text(line) for arm in recording.arms for line in _lives(recording, arm)),
            *captioned(slope_table(contents)),
            *(captioned(ladder) if ladder else []),
            *load,
            *outcome(contents.reasons, attached=attached),
        ]
    )


def suspect_parts(growth: tuple[ArmGrowth, ...]) -> list[RenderableType]:
    """Return the suspects of each arm; their evidence is left to verdict.md."""
    parts: list[RenderableType] = []
    for table in suspect_tables(growth):
        parts.append(Text(f"\n{table.caption}"))
        if table.rows:
            parts.append(terminal_table(table.without("95%", "evidence"), SUSPECT_WIDTHS, "retained by"))
        parts += [Text(table.note)] if table.note else []
    return parts


def site_parts(found: tuple[ArmSites, ...]) -> list[RenderableType]:
    """Return where what each arm retains was allocated: the first lines, with their source."""
    parts: list[RenderableType] = []
    for one in found:
        why = why_no_lines(one)
        parts.append(Text(f"\nAllocated in {one.arm}{f': not known: {why}.' if why else ''}"))
        for site in first_sites(one):
            parts.append(Text(f"  {site_text(site)}"))
            parts += [Text(f"    {site.source}")] if site.source else []
    return parts


def _comparison(contents: ReportContents) -> list[RenderableType]:
    table = comparison_table(contents).without("incident change", "scale", "rule")
    parts = captioned(table, INCIDENT_WIDTHS) if table.rows else []
    parts += [
        Text(f"{row.measure}: {_outcome_text(row)}: {row.rule}.")
        for row in contents.rows
        if row.reproduced in {"no", "not measurable"}
    ]
    if contents.claims:
        claims = claims_table(contents).without("explanation")
        parts += [Text(f"\n{claims.caption} (explained in claims.md)"), terminal_table(claims)]
    return parts


def _headline(recording: Recording) -> str:
    manifest = recording.manifest
    limits = {arm.limit_bytes for arm in recording.arms if arm.limit_bytes}
    limit = f"memory limit {' and '.join(format_bytes(size) for size in sorted(limits))} ({manifest.limit_source})"
    divided = "1:1" if manifest.memory_scale == 1 else f"divided by {manifest.memory_scale:g}"
    scale = f"\nAn hour of the incident is {manifest.hour_s:g} s of the run, its memory is {divided}."
    return (
        f"{manifest.run_id}: profile {manifest.profile}, Python {manifest.python}, "
        f"{limit if limits else 'no memory limit'}."
        f"{scale if manifest.incident else ''}\n"
    )


def _outcome_text(row: ComparisonRow) -> str:
    return "not reproduced" if row.reproduced == "no" else row.reproduced


def _lives(recording: Recording, arm: Arm) -> list[str]:
    """Return one line per life: when it was ready and how it ended."""
    lines, death_s = [], None
    for life in arm.processes or arm.lives:
        if life.ready_s is None:
            ready = "never ready"
        elif death_s is None or arm.processes:
            ready = f"ready after {life.ready_s - life.start_s:.1f} s"
        else:
            ready = f"ready {life.ready_s - death_s:.1f} s after that"
        if life.died:
            end = ended(recording, life)
        else:
            end = "lived to the end" if life.ended_by else "its end is not recorded"
        where = "elsewhere" if arm.url else f"pid {life.pid}"
        lines.append(f"  {arm.name} life {life.number} ({where}): {ready}, {end}")
        death_s = life.end_s
    lines += [f"  {arm.name}: {note}" for note in arm.notes]
    return lines or [f"  {arm.name}: no life recorded"]
