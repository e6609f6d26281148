"""The figure of memory against the limit."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.formatting import format_bytes
from analysis.incident.formatting import format_megabytes
from analysis.recording.measurements import memory_at, peak
from analysis.recording.model import Arm, Recording, sides
from analysis.report.contents import ReportContents
from analysis.report.figures.axes import (
    TimeAxis,
    draw_lives,
    fit_time,
    memory_axis,
    new_axes,
    note_no_data,
    shade_phases,
    time_axis,
)
from analysis.report.figures.labels import annotate_point, label_line_ends, legend_above
from analysis.report.figures.shown_memory import shown_memory
from analysis.report.figures.style import INK, Look, looks, new_figure
from analysis.report.figures.trend_lines import trend_lines
from soak.contract import INCIDENT_MEMORY_BYTES

NEAR_LIMIT: Final = 2.5
"""A limit above so many times the highest memory is in the legend only."""
LIMIT: Final = Look(INK, (0, (1, 2)), 1.0)
LABEL_ON_THE_LEFT: Final = 0.75
"""Share of the time axis after which the label of a point of the incident is on the left of it."""


def memory_figure(contents: ReportContents) -> Figure:
    """Draw memory over time: every life, what ended it, the limit, and the incident's points at the run's scale."""
    recording, time = contents.recording, time_axis(contents.recording)
    shown = shown_memory(recording.arms)
    figure = new_figure(f"{shown.title} under load", recording)
    axes = new_axes(figure, figure.add_gridspec(1, 1)[0])
    axes.set_xlabel(time.label, fontsize=8.5, color=INK)
    fit_time(axes, recording, time)
    for arm, look in looks(recording.arms):
        draw_lives(axes, arm, look, "rss_bytes", time)
    if not axes.lines:
        note_no_data(axes, f"{shown.name} was not read")
    _mark_deaths(axes, recording, time)
    limits = _draw_limits(axes, recording)
    _draw_incident(axes, recording)
    highest = axes.get_ylim()[1]
    legend_above(axes, [*_draw_fits(axes, contents, time), *limits])
    axes.set_ylim(0, highest * 1.2)  # room for the names of the phases; a wide band may leave the picture
    memory_axis(axes, shown.name)
    shade_phases(axes, recording, time, names=not recording.manifest.from_prometheus)
    label_line_ends(
        axes, [label for arm, look in looks(recording.arms) for label in _last_life(arm, look)], gap=0.045
    )
    return figure


def _draw_fits(axes: Axes, contents: ReportContents, time: TimeAxis) -> list[tuple[str, Look]]:
    """Draw the leak rate through each life, a dotted line, and its interval, a band; return lines for the legend."""
    load = contents.recording.load
    lines: list[tuple[str, Look]] = []
    verdicts = {verdict.arm: verdict for verdict in contents.judged.verdicts}
    for arm, look in looks(contents.recording.arms):
        found = trend_lines(arm, verdicts[arm.name], load)
        if found is None:
            continue
        lines.append((f"{arm.name}: {found.text}", look))
        for life in found.lives:
            x = time.at(life.t_s)
            axes.fill_between(
                x, life.low, life.high, facecolor=look.colour, alpha=0.25, linewidth=0, zorder=1
            )
            axes.plot(x, life.value, color=INK, linestyle=(0, (1, 2.5)), linewidth=1.1, zorder=3)
    return lines


def _mark_deaths(axes: Axes, recording: Recording, time: TimeAxis) -> None:
    """Mark where lives died; an arm's first death is described, below those of other arms, the rest are counted."""
    described = 0
    for arm, look in looks(recording.arms):
        rows = arm.samples[["t_s", "life", "rss_bytes"]].dropna(subset="rss_bytes")
        deaths = [life for life in arm.lives if life.died and (rows["life"] == life.number).any()]
        last = [rows[rows["life"] == life.number].iloc[-1] for life in deaths]
        points = [(float(time.at(row["t_s"])), float(row["rss_bytes"])) for row in last]
        for x, y in points:
            axes.plot(
                [x], [y], marker="X", markersize=8, color=look.colour, markeredgecolor="white", zorder=5
            )
        if deaths:
            more = f"\nand {len(deaths) - 1} more" if len(deaths) > 1 else ""
            how = "OOM-killed" if deaths[0].oom_killed else "ended"
            when = time.text(float(time.at(deaths[0].end_s)))  # a moment after its last reading
            text = f"{arm.name} {how}\nby {deaths[0].ended_by}, {when}{more}"
            annotate_point(axes, text, points[0], offset=(10, -16 - 34 * described), va="top")
            described += 1


def _last_life(arm: Arm, look: Look) -> list[tuple[str, float, Look]]:
    """Return the label of the life that the recording ends with."""
    rows = arm.samples[["t_s", "life", "rss_bytes"]].dropna(subset="rss_bytes")
    if rows.empty or (arm.lives and arm.lives[-1].died):
        return []
    last = rows.iloc[-1]
    life = f", life {last['life']:.0f}" if last["life"] > 1 else ""
    return [(f"{arm.name}{life}", float(last["rss_bytes"]), look)]


def _draw_limits(axes: Axes, recording: Recording) -> list[tuple[str, Look]]:
    """Draw the limits that are near the curves, one far above would press them flat; return lines for the legend."""
    highest = max((peak(arm, "rss_bytes").value or 0.0 for arm in recording.arms), default=0.0)
    lines = []
    for limit in sorted({arm.limit_bytes for arm in recording.arms if arm.limit_bytes}):
        above = limit > NEAR_LIMIT * highest
        if not above:
            axes.axhline(limit, **LIMIT.line)
        how = recording.manifest.limit_source + _uncharged(recording, limit)
        text = f"memory limit {format_bytes(limit)} ({how}){', above this picture' if above else ''}"
        lines.append((text, LIMIT))
    return lines


def _uncharged(recording: Recording, limit: int) -> str:
    """Return how much RSS the limit does not charge, where that shows: file pages are charged to their first reader."""
    gaps = [
        float((arm.samples["rss_bytes"] - arm.samples["cgroup_bytes"]).median())
        for arm in recording.arms
        if arm.limit_bytes == limit
    ]
    most = max((gap for gap in gaps if np.isfinite(gap)), default=0.0)
    return f", without {format_bytes(most)} of shared files" if most > 0.01 * limit else ""


def _draw_incident(axes: Axes, recording: Recording) -> None:
    """Mark the incident's memory as growth above the hour 0 of the arm that leaks."""
    before, _ = sides(recording.arms)
    start = memory_at(recording, before, 0).value if before and recording.manifest.incident else None
    if start is None:
        return
    first_bytes, last_hour = INCIDENT_MEMORY_BYTES[0][1], axes.get_xlim()[1]
    for hour, size_bytes in INCIDENT_MEMORY_BYTES[1:]:
        y = start + (size_bytes - first_bytes) / recording.manifest.memory_scale
        if hour > last_hour:
            break  # the run was shorter
        axes.plot([hour], [y], marker="D", markersize=5.5, color=INK, markerfacecolor="white", zorder=4)
        text = f"incident: {'8 GB+, OOM-killed' if hour == 6 else format_megabytes(size_bytes)}"
        if hour > LABEL_ON_THE_LEFT * last_hour:
            # above what ended the leaky arm
            annotate_point(axes, text, (hour, y), offset=(4, 12), ha="right")
        else:
            annotate_point(axes, text, (hour, y), offset=(7, -3), va="top")
