"""The report as text for the terminal."""

from __future__ import annotations

import math

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from analysis.formatting import format_bytes
from analysis.incident.formatting import memory_note
from analysis.incident.row import ComparisonRow
from analysis.recording.latency import QUANTILE_NAMES
from analysis.recording.measurements import ended
from analysis.recording.model import Arm, Recording
from analysis.report.contents import ReportContents
from analysis.report.terminal.growth import growth_parts
from analysis.report.terminal.tables import new_table, outcome, render
from analysis.report.terminal.verdict import judged_parts
from analysis.slopes import Slope

SLOPE_NOTE = "A plain line through all readings under load; its 95% interval is indicative only."

LADDER_NOTE = (
    "Drained: nothing is in flight. Collected: cycles are freed. Trimmed: the allocator gave back what it could. "
    "What remains is kept."
)


def report_text(findings: ReportContents) -> str:
    """Return what the command line prints, at most 100 columns wide."""
    recording = findings.recording
    parts: list[RenderableType] = [
        Text(_headline(recording)),
        *judged_parts(findings.judged),
        *growth_parts(findings.growth),
        Text(),
        _comparison_table(findings),
    ]
    if recording.manifest.incident:
        parts.append(Text("\n" + memory_note(recording.manifest.memory_scale)))
        parts += [
            Text(f"{row.measure}: {_verdict(row)}: {row.rule}.")
            for row in findings.rows
            if row.reproduced in {"no", "not measurable"}
        ]
    if findings.claims:
        parts += [Text("\nClaims about the incident (each explained in claims.md)"), _claims_table(findings)]
    parts += [Text("\nLives"), *(Text(line) for arm in recording.arms for line in _lives(recording, arm))]
    parts += [Text("\nSlopes under load"), _slope_table(findings), Text("\n" + SLOPE_NOTE)]
    if any(len(arm.ladder) for arm in recording.arms):
        parts += [Text("\nQuiesce ladder after the load"), _ladder_table(recording), Text("\n" + LADDER_NOTE)]
    attached = recording.manifest.attached
    if not attached:  # a load that is not ours was not recorded
        parts += [Text("\nLoad"), _load_table(findings)]
    return render([*parts, *outcome(findings.reasons, attached=attached)])


def _headline(recording: Recording) -> str:
    manifest = recording.manifest
    limits = {arm.limit_bytes for arm in recording.arms if arm.limit_bytes}
    limit = (
        f"limit {' and '.join(format_bytes(size) for size in sorted(limits))} by {manifest.limit_mechanism}"
    )
    divided = "1:1" if manifest.memory_scale == 1 else f"divided by {manifest.memory_scale:g}"
    scale = f"\nAn hour of the incident is {manifest.hour_s:g} s of the run, its memory is {divided}."
    return (
        f"{manifest.run_id}: profile {manifest.profile}, Python {manifest.python}, "
        f"{limit if limits else 'no memory limit'}."
        f"{scale if manifest.incident else ''}\n"
    )


def _comparison_table(findings: ReportContents) -> Table:
    if not findings.recording.manifest.incident:
        table = new_table("measure", "before", "after", "change")
        for row in findings.rows:
            table.add_row(row.measure, row.measured_before, row.measured_after, row.measured_change)
        return table
    table = Table(box=SIMPLE_HEAD, padding=0, pad_edge=False, show_edge=False)
    table.add_column("measure", width=15)
    for name, width in (("incident before", 11), ("incident after", 12), ("change", 7)):
        table.add_column(name, width=width, justify="right")
    for name, width in (("measured before", 15), ("measured after", 15), ("measured change", 8)):
        table.add_column(name, width=width, justify="right")
    table.add_column("reproduced", width=10, justify="right")
    for row in findings.rows:
        table.add_row(
            row.measure,
            row.incident_before,
            row.incident_after,
            row.incident_change,
            row.measured_before,
            row.measured_after,
            row.measured_change,
            row.reproduced,
        )
    return table


def _claims_table(findings: ReportContents) -> Table:
    table = new_table("claim", "incident", "measured", "reproduced")
    for claim in findings.claims:
        table.add_row(claim.claim, claim.incident, claim.measured, claim.reproduced)
    return table


def _verdict(row: ComparisonRow) -> str:
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
        lines.append(f"  {arm.name} life {life.number} (pid {life.pid}): {ready}, {end}")
        death_s = life.end_s
    lines += [f"  {arm.name}: {note}" for note in arm.notes]
    return lines or [f"  {arm.name}: no life recorded"]


def _slope_table(findings: ReportContents) -> Table:
    manifest = findings.recording.manifest
    hour = "incident hour" if manifest.incident else "hour"
    hours = manifest.hour_s / 3600 if manifest.incident else 1.0
    table = new_table(
        "life", "readings", f"RSS MiB/{hour}", "RSS KiB/request", "blocks/request", "native KiB/request"
    )
    for trend in findings.slopes:
        table.add_row(
            f"{trend.arm} {trend.life}",
            f"{trend.readings:,}",
            slope(trend.rss_bytes_per_hour, hours / 2**20),
            slope(trend.rss_bytes_per_request, 2**-10),
            slope(trend.live_blocks_per_request, 1.0),
            slope(trend.malloc_in_use_bytes_per_request, 2**-10),
        )
    return table


def slope(value: Slope | None, factor: float) -> str:
    """Return ``+76.32 ± 0.41``, in the unit that ``factor`` leads to; a dash when there is none."""
    if value is None:
        return "-"
    digits = 2 if abs(value.value * factor) < 1000 else 0
    return f"{value.value * factor:+,.{digits}f} ± {value.half * factor:,.{digits}f}"


def _ladder_table(recording: Recording) -> Table:
    table = new_table("arm", "rung", "RSS MiB", "live blocks", "native MiB", "native free MiB", "tasks kept")
    for arm in recording.arms:
        for row in arm.ladder.itertuples():
            table.add_row(
                arm.name,
                str(row.rung),
                _cell(row.rss_bytes, 2**-20, 1),
                _cell(row.live_blocks, 1, 0),
                _cell(row.malloc_in_use_bytes, 2**-20, 1),
                _cell(row.malloc_free_bytes, 2**-20, 1),
                _cell(row.tasks_finished, 1, 0),
            )
    return table


def _cell(value: object, factor: float, digits: int) -> str:
    number = float(str(value)) * factor
    return "-" if math.isnan(number) else f"{number:,.{digits}f}"


def _load_table(findings: ReportContents) -> Table:
    table = new_table("arm", "planned", "sent", "ok", "failed", "missed", "missed dead", "p50 ms", "p99 ms")
    for arm, load in zip(findings.recording.arms, findings.loads, strict=True):
        quantiles = dict(zip(QUANTILE_NAMES, arm.latency.latency_ms or (), strict=False))
        table.add_row(
            arm.name,
            *(f"{n:,}" for n in (load.planned, load.sent, load.ok, sum(load.failed.values()))),
            *(f"{n:,}" for n in (load.missed, load.missed_dead)),
            *(f"{quantiles[q]:.1f}" if q in quantiles else "-" for q in ("p50", "p99")),
        )
    return table
