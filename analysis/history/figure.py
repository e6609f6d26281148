"""The figure of a history: leak rate, RSS at the end and p99 over the runs."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D

from analysis.formatting import BYTE_UNITS, HOUR_S, short_build
from analysis.history.findings import P99, RATE, Found, History, Quantity
from analysis.history.runs import BYTES_PER_REQUEST, HistoryRun
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Verdict
from analysis.report.figures.axes import new_axes, note_no_data
from analysis.report.figures.style import AFTER, BEFORE, DPI, FAINT, INK, PAPER, WIDTH_INCHES
from soak.contract import verdict_name

COLOURS: Final[dict[Verdict, str]] = {LEAK: BEFORE.colour, NO_LEAK: AFTER.colour, INCONCLUSIVE: FAINT}
MARKERS: Final[dict[Verdict, str]] = {LEAK: "X", NO_LEAK: "o", INCONCLUSIVE: "s"}
MOST_NAMES: Final = 30
"""Runs named below the figure; of more, every second or third is."""


def history_figure(history: History) -> Figure:
    """Draw each quantity below the other, the runs from the oldest on the left; levels between changes are lines."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)
    figure = Figure(figsize=(WIDTH_INCHES, 6.6), dpi=DPI, facecolor="white", layout=layout)
    grid = figure.add_gridspec(len(history.found), 1, height_ratios=[1.5, 1, 1])
    axes = [new_axes(figure, grid[n]) for n in range(len(history.found))]
    for one, found in zip(axes, history.found, strict=True):
        _draw(one, history.runs, found)
        one.set_xlim(-0.6, len(history.runs) - 0.4)
        one.set_xticks([])
    step = -(-len(history.runs) // MOST_NAMES)
    places = range(0, len(history.runs), step)
    axes[-1].set_xticks(places, [_name(history.runs[n]) for n in places], rotation=90, parse_math=False)
    axes[0].legend(
        handles=_legend(history),
        loc="lower left",
        bbox_to_anchor=(0, 1.01),
        ncols=5,
        frameon=False,
        fontsize=8,
        borderaxespad=0,
        handletextpad=0.4,
    )
    return figure


def _draw(axes: Axes, runs: tuple[HistoryRun, ...], found: Found) -> None:
    quantity = found.quantity
    values = [_drawn(run, runs[-1], quantity) for run in runs]
    if all(value is None for value in values):
        note_no_data(axes, f"{quantity.name}: not known of these runs")
        return
    scale, unit = _scale(runs, found)
    axes.set_ylabel(f"{quantity.name}, {unit}", fontsize=8.5, color=INK)
    axes.yaxis.set_major_formatter("{x:,g}")
    for x, (run, value) in enumerate(zip(runs, values, strict=True)):
        if value is None:
            continue
        colour = COLOURS[run.verdict]
        if quantity is RATE and (rate := run.interval) is not None:
            axes.plot([x, x], [rate.low * scale, rate.high * scale], color=colour, linewidth=1.4, zorder=2)
        face = PAPER if run.differs else colour
        axes.plot(
            [x],
            [value * scale],
            MARKERS[run.verdict],
            color=colour,
            markerfacecolor=face,
            markersize=5.5,
            zorder=3,
        )
    if quantity is RATE:
        margins = {run.margin for run in runs if run.margin and run.unit == runs[-1].unit}
        for margin in margins:
            axes.axhline(margin * scale, color=INK, linestyle=(0, (1, 2)), linewidth=1.0, zorder=1)
    _draw_levels(axes, runs, found, scale)
    if quantity is not RATE:
        axes.set_ylim(0, axes.get_ylim()[1] * 1.08)  # room for the markers of the highest


def _drawn(run: HistoryRun, newest: HistoryRun, quantity: Quantity) -> float | None:
    """Return the value of a run; None where it is not known, or of another unit than the newest one's, the axis's."""
    return None if quantity is RATE and run.unit != newest.unit else quantity.value(run)


def _draw_levels(axes: Axes, runs: tuple[HistoryRun, ...], found: Found, scale: float) -> None:
    """Draw the level before and after each change, and a line where it is."""
    if not found.changes:
        return
    places = {run.run: x for x, run in enumerate(runs)}
    edges = [
        -0.5,
        *(places[found.searched[change.at].run] - 0.5 for change in found.changes),
        len(runs) - 0.5,
    ]
    levels = [found.changes[0].before, *(change.after for change in found.changes)]
    for (left, right), level in zip(pairwise(edges), levels, strict=True):
        axes.plot([left, right], [level * scale] * 2, color=INK, linewidth=0.9, zorder=1)
    for edge in edges[1:-1]:
        axes.axvline(edge, color=INK, linestyle="--", linewidth=0.9, zorder=1)


def _scale(runs: tuple[HistoryRun, ...], found: Found) -> tuple[float, str]:
    """Return the factor and the unit that suit the largest value, ends of intervals among them."""
    if found.quantity is P99:
        return 1.0, "ms"
    drawn = [_drawn(run, runs[-1], found.quantity) for run in runs]
    if found.quantity is RATE:
        same = [run for run in runs if run.unit == runs[-1].unit]
        drawn += [end for run in same for end in (run.rate_low, run.rate_high)]
    largest = max(abs(value) for value in drawn if value is not None)
    clock, per = 1.0, ""
    if found.quantity is RATE:
        clock, per = (1.0, "/request") if runs[-1].unit == BYTES_PER_REQUEST else (float(HOUR_S), "/h")
    largest *= clock
    name, worth = next((one for one in BYTE_UNITS if largest >= one[1]), BYTE_UNITS[-1])
    return clock / worth, name + per


def _name(run: HistoryRun) -> str:
    build = short_build(run.build)
    return f"{run.started[5:16].replace('T', ' ')}{f'  {build}' if build else ''}"


def _legend(history: History) -> list[Line2D]:
    seen = {run.verdict for run in history.runs}
    handles = [
        Line2D([], [], color=COLOURS[one], marker=MARKERS[one], linestyle="", label=verdict_name(one))
        for one in COLOURS
        if one in seen
    ]
    if any(run.differs for run in history.runs):
        other = "other settings or cut short"
        handles.append(
            Line2D([], [], color=FAINT, marker="o", markerfacecolor=PAPER, linestyle="", label=other)
        )
    handles.append(Line2D([], [], color=INK, linestyle=(0, (1, 2)), linewidth=1.0, label="margin"))
    if any(found.changes for found in history.found):
        handles.append(Line2D([], [], color=INK, linestyle="--", linewidth=0.9, label="change"))
    return handles


def history_alt(history: History) -> str:
    """Return what the figure shows, for those who do not see it."""
    lines = [line for found in history.found for line in found.lines]
    return f"{len(history.runs)} runs from {history.runs[0].run} to {history.runs[-1].run}. {' '.join(lines)}"
