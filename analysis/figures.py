"""The figures of a report."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.comparison import sides
from analysis.drawing import (
    FAINT,
    INK,
    Look,
    TimeAxis,
    decimate,
    end_labels,
    fit_time,
    key,
    log_axis,
    looks,
    memory_axis,
    new_axes,
    new_figure,
    nothing_read,
    shade_phases,
    time_axis,
    write,
)
from analysis.findings import Findings
from analysis.fitted import fitted
from analysis.latency import QUANTILE_NAMES
from analysis.measures import memory_at, peak
from analysis.recording import Arm, Recording
from analysis.words import binary, memory
from soak.contract import ARTICLE_MEMORY_BYTES, FAILURE_KINDS

TABLE_LINE_INCHES: Final = 0.27
NEAR_LIMIT: Final = 2.5
"""Times the highest memory: a limit beyond it is told and not drawn."""

OBJECTS: Final = (
    ("tasks_finished", "Finished tasks still referenced"),
    ("sessions_open", "Client sessions open"),
    ("cache_entries", "Cache entries"),
    ("history_entries", "History entries"),
)


def memory_figure(findings: Findings) -> Figure:
    """Draw RSS over time: every life, what ended it, the limit, and the article's points at the run's scale."""
    recording, time = findings.recording, time_axis(findings.recording)
    figure = new_figure("Resident memory under load", recording)
    axes = new_axes(figure, figure.add_gridspec(1, 1)[0])
    axes.set_xlabel(time.label, fontsize=8.5, color=INK)
    fit_time(axes, recording, time)
    for arm, look in looks(recording.arms):
        draw_lives(axes, arm, look, "rss_bytes", time)
    if not axes.lines:
        nothing_read(axes, "RSS was not read")
    _mark_deaths(axes, recording, time)
    beyond = _draw_limits(axes, recording, time)
    _draw_article(axes, recording)
    highest = axes.get_ylim()[1]
    key(axes, [*_draw_fits(axes, findings, time), *((text, None) for text in beyond)])
    axes.set_ylim(0, highest * 1.2)  # room for the names of the phases; a wide band may leave the picture
    memory_axis(axes)
    shade_phases(axes, recording, time, names=True)
    end_labels(
        axes, [label for arm, look in looks(recording.arms) for label in _last_life(arm, look)], gap=0.045
    )
    return figure


def objects_figure(findings: Findings) -> Figure:
    """Draw what is kept: tasks, sessions, cache and history, each over time and with its highest number."""
    recording, time = findings.recording, time_axis(findings.recording)
    figure = new_figure("Objects kept under load, with the most of each arm", recording)
    grid = figure.add_gridspec(2, 2)
    for place, (column, title) in enumerate(OBJECTS):
        axes = new_axes(figure, grid[place], title)
        if place >= 2:
            axes.set_xlabel(time.short_label, fontsize=8.5, color=INK)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.yaxis.set_major_formatter("{x:,.0f}")
        for arm, look in looks(recording.arms):
            draw_lives(axes, arm, look, column, time)
        if not axes.lines:
            nothing_read(axes, "not read: no probe, or no such gauge")
        axes.set_ylim(0, max(1.0, axes.get_ylim()[1] * 1.05))
        fit_time(axes, recording, time, most_ticks=5)
        shade_phases(axes, recording, time, names=False)
        highest = [(arm.name, look, peak(arm, column).value) for arm, look in looks(recording.arms)]
        labels = [
            (f"{name}: {value:,.0f}", value, look) for name, look, value in highest if value is not None
        ]
        end_labels(axes, labels, gap=0.11)
    return figure


def latency_figure(findings: Findings) -> Figure:
    """Draw p50 and p99 of the latency and what failed over time, and the quantiles of the whole load below."""
    recording, time = findings.recording, time_axis(findings.recording)
    table = _quantile_table(recording)
    height = TABLE_LINE_INCHES * len(table)
    since = "the request" if recording.manifest.closed_loop else "the planned start"
    figure = new_figure(f"Latency from {since} to the answer or failure", recording, height=5.4 + height)
    grid = figure.add_gridspec(4, 1, height_ratios=(1.35, 1.35, 1.1, height))
    for place, quantile in enumerate(("p50", "p99")):
        axes = new_axes(figure, grid[place], f"{quantile} of each second")
        axes.set_ylabel("ms", fontsize=8.5, color=INK)
        labels = []
        for arm, look in looks(recording.arms):
            x, y = decimate(
                time.at(arm.requests["t_s"].to_numpy(float)),
                arm.requests[f"latency_{quantile}_ms"].to_numpy(float),
            )
            if np.isfinite(y).any():
                axes.plot(x, y, color=look.colour, linestyle=look.dashes, linewidth=1.1)
                labels.append((arm.name, float(y[np.isfinite(y)][-1]), look))
        if axes.lines:
            log_axis(axes)
        else:
            nothing_read(axes, "no latency was recorded")
        fit_time(axes, recording, time)
        shade_phases(axes, recording, time, names=False)
        end_labels(axes, labels, gap=0.11)
    axes = new_axes(figure, grid[2], "requests of each second that failed or were missed")
    _draw_failures(axes, recording, time)
    axes.set_xlabel(time.label, fontsize=8.5, color=INK)
    _write_table(figure.add_subplot(grid[3]), table)
    return figure


def _draw_failures(axes: Axes, recording: Recording, time: TimeAxis) -> None:
    labels, total = [], 0.0
    for arm, look in looks(recording.arms):
        lost = arm.requests[[*(f"failed_{kind}" for kind in FAILURE_KINDS), "missed"]].sum(axis=1)
        x, y = decimate(time.at(arm.requests["t_s"].to_numpy(float)), lost.to_numpy(float))
        if len(y):
            axes.plot(x, y, color=look.colour, linestyle=look.dashes, linewidth=1.1)
            labels.append((f"{arm.name}: {lost.sum():,.0f}", float(y[-1]), look))
            total += float(lost.sum())
    if not axes.lines:
        nothing_read(axes, "no requests were recorded")
        return
    if not total:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", fontsize=8, color=FAINT)
    axes.set_ylim(0, max(1.0, axes.get_ylim()[1] * 1.05))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    fit_time(axes, recording, time)
    shade_phases(axes, recording, time, names=False)
    end_labels(axes, labels, gap=0.13)


def draw_lives(axes: Axes, arm: Arm, look: Look, column: str, time: TimeAxis) -> None:
    """Draw a column life by life, so that a death leaves a gap."""
    for _, rows in arm.samples.dropna(subset=column).groupby("life"):
        x, y = decimate(time.at(rows["t_s"].to_numpy(float)), rows[column].to_numpy(float))
        axes.plot(x, y, color=look.colour, linestyle=look.dashes, linewidth=look.width)


def _draw_fits(axes: Axes, findings: Findings, time: TimeAxis) -> list[tuple[str, Look | None]]:
    """Lay what the judge found through each life: the rate as a dotted line, its interval as a band around it.

    Returns what to write of it.
    """
    load = findings.recording.load
    lines: list[tuple[str, Look | None]] = []
    verdicts = {verdict.arm: verdict for verdict in findings.judged.verdicts}
    for arm, look in looks(findings.recording.arms):
        found = fitted(arm, verdicts[arm.name], load)
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
        rows = arm.samples.dropna(subset="rss_bytes")
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
            write(axes, text, points[0], offset=(10, -16 - 34 * described), va="top")
            described += 1


def _last_life(arm: Arm, look: Look) -> list[tuple[str, float, Look]]:
    """Return the label of the life that the recording ends with."""
    rows = arm.samples.dropna(subset="rss_bytes")
    if rows.empty or (arm.lives and arm.lives[-1].died):
        return []
    last = rows.iloc[-1]
    life = f", life {last['life']:.0f}" if last["life"] > 1 else ""
    return [(f"{arm.name}{life}", float(last["rss_bytes"]), look)]


def _draw_limits(axes: Axes, recording: Recording, time: TimeAxis) -> list[str]:
    """Draw the limits that are near the curves; return words on those far above, which would press them flat."""
    left = axes.get_xlim()[0] if recording.load is None else float(time.at(recording.load.start_s))
    highest = max((peak(arm, "rss_bytes").value or 0.0 for arm in recording.arms), default=0.0)
    beyond = []
    for limit in sorted({arm.limit_bytes for arm in recording.arms if arm.limit_bytes}):
        text = f"memory limit {binary(limit)} ({recording.manifest.limit_mechanism}{_uncharged(recording, limit)})"
        if limit > NEAR_LIMIT * highest:
            beyond.append(f"{text}, above this picture")
            continue
        axes.axhline(limit, color=INK, linewidth=1, linestyle=(0, (1, 2)))
        write(axes, text, (left, limit), offset=(4, 3))
    return beyond


def _uncharged(recording: Recording, limit: int) -> str:
    """Say how much of the RSS the limit leaves out, where that shows: file pages are charged to who read them first."""
    gaps = [
        float((arm.samples["rss_bytes"] - arm.samples["cgroup_bytes"]).median())
        for arm in recording.arms
        if arm.limit_bytes == limit
    ]
    most = max((gap for gap in gaps if np.isfinite(gap)), default=0.0)
    return f", which leaves out {binary(most)} of shared files" if most > 0.01 * limit else ""


def _draw_article(axes: Axes, recording: Recording) -> None:
    """Mark the article's memory as growth above the hour 0 of the arm that leaks."""
    before, _ = sides(recording.arms)
    start = memory_at(recording, before, 0).value if before and recording.manifest.article else None
    if start is None:
        return
    first_bytes = ARTICLE_MEMORY_BYTES[0][1]
    for hour, size_bytes in ARTICLE_MEMORY_BYTES[1:]:
        y = start + (size_bytes - first_bytes) / recording.manifest.memory_scale
        if hour > axes.get_xlim()[1]:
            break  # the run was shorter
        axes.plot([hour], [y], marker="D", markersize=5.5, color=INK, markerfacecolor="white", zorder=4)
        if hour == 6 and hour > 0.3 * axes.get_xlim()[1]:
            write(axes, "article: 8 GB+, OOM-killed", (hour, y), offset=(-4, 6), ha="right")
        elif hour == 6:
            write(axes, "article: 8 GB+, OOM-killed", (hour, y), offset=(7, -3))
        else:
            write(axes, f"article: {memory(size_bytes)}", (hour, y), offset=(7, -3), va="top")


def _quantile_table(recording: Recording) -> list[list[str]]:
    table = [["ms, over the whole load", *QUANTILE_NAMES]]
    for arm in recording.arms:
        for title, values in (("latency", arm.latency.latency_ms), ("service time", arm.latency.service_ms)):
            cells = [f"{value:,.1f}" for value in values] if values else ["-"] * len(QUANTILE_NAMES)
            table.append([f"{arm.name}, {title}", *cells])
    return table


def _write_table(axes: Axes, table: list[list[str]]) -> None:
    axes.set_axis_off()
    for row, cells in enumerate(table):
        for column, cell in enumerate(cells):
            write(
                axes,
                cell,
                (0.35 + 0.12 * column if column else 0.0, 1 - (row + 0.5) / len(table)),
                ha="right" if column else "left",
                colour=INK if row else FAINT,
            )
