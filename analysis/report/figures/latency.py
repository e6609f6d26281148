"""The figure of latency, requests and failures."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.recording.latency import QUANTILE_NAMES
from analysis.recording.model import Recording
from analysis.report.contents import ReportContents
from analysis.report.figures.axes import (
    TimeAxis,
    fit_time,
    log_axis,
    new_axes,
    note_no_data,
    shade_phases,
    time_axis,
)
from analysis.report.figures.labels import annotate_point, label_line_ends
from analysis.report.figures.style import FAINT, INK, decimate, looks, new_figure
from soak.contract import FAILURE_KINDS

TABLE_LINE_INCHES: Final = 0.27


def latency_figure(contents: ReportContents) -> Figure:
    """Draw p50 and p99 of the latency and what failed over time, and the quantiles of the whole load below."""
    recording, time = contents.recording, time_axis(contents.recording)
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
                axes.plot(x, y, **look.thin_line)
                labels.append((arm.name, float(y[np.isfinite(y)][-1]), look))
        if axes.lines:
            log_axis(axes)
        else:
            note_no_data(axes, "no latency was recorded")
        fit_time(axes, recording, time)
        shade_phases(axes, recording, time, names=False)
        label_line_ends(axes, labels, gap=0.11)
    axes = new_axes(figure, grid[2], "requests of each second that failed or were missed")
    _draw_failures(axes, recording, time)
    axes.set_xlabel(time.label, fontsize=8.5, color=INK)
    _write_table(figure.add_subplot(grid[3]), table)
    return figure


def _draw_failures(axes: Axes, recording: Recording, time: TimeAxis) -> None:
    labels, total = [], 0.0
    for arm, look in looks(recording.arms):
        counts = arm.requests[[*(f"failed_{kind}" for kind in FAILURE_KINDS), "missed"]]
        lost = counts[counts.notna().any(axis=1)].sum(axis=1)
        x, y = decimate(time.at(arm.requests.loc[lost.index, "t_s"].to_numpy(float)), lost.to_numpy(float))
        if len(y):
            axes.plot(x, y, **look.thin_line)
            labels.append((f"{arm.name}: {lost.sum():,.0f}", float(y[-1]), look))
            total += float(lost.sum())
    if not axes.lines:
        note_no_data(axes, "no requests were recorded")
        return
    if not total:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", fontsize=8, color=FAINT)
    axes.set_ylim(0, max(1.0, axes.get_ylim()[1] * 1.05))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    fit_time(axes, recording, time)
    shade_phases(axes, recording, time, names=False)
    label_line_ends(axes, labels, gap=0.13)


def _quantile_table(recording: Recording) -> list[list[str]]:
    table = [["ms, over the whole load", *QUANTILE_NAMES]]
    for arm in recording.arms:
        times = [("latency", arm.latency.latency_ms), ("service time", arm.latency.service_ms)]
        if arm.latency.round_trip_ms:
            times.append(("round trip of messages", arm.latency.round_trip_ms))
        for title, values in times:
            cells = [f"{value:,.1f}" for value in values] if values else ["-"] * len(QUANTILE_NAMES)
            table.append([f"{arm.name}, {title}", *cells])
    return table


def _write_table(axes: Axes, table: list[list[str]]) -> None:
    axes.set_axis_off()
    for row, cells in enumerate(table):
        for column, cell in enumerate(cells):
            annotate_point(
                axes,
                cell,
                (0.35 + 0.12 * column if column else 0.0, 1 - (row + 0.5) / len(table)),
                ha="right" if column else "left",
                colour=INK if row else FAINT,
            )
