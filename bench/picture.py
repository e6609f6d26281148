"""The costs as one picture of four panels that can be read in grey."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.report.figures.style import FAINT, GRID, INK

RATE, WORKERS_PANEL, SAMPLED, HOURS = "rate", "workers", "processes", "hours"
CORES: Final = "processor time, cores"
LOOKS: Final = (("-", "o", INK), ("--", "s", FAINT), (":", "^", INK))
"""Line, mark and ink of the first, second and third line of a panel."""
CLOSE: Final = 0.08
"""Distance of two names, as a share of the axis, below which they are moved apart."""


@dataclass(frozen=True, slots=True)
class Panel:
    """Texts of one panel."""

    title: str
    x: str
    y: str = CORES
    logarithmic: bool = False
    """Whether both axes are; else they begin at 0."""


PANELS: Final = {
    RATE: Panel("Sending requests, one process", "requests/s"),
    WORKERS_PANEL: Panel("Workers at 500 requests/s each, and their master", "workers", logarithmic=True),
    SAMPLED: Panel("Sampling each second", "processes sampled"),
    HOURS: Panel("Reading a recording of two arms", "hours of load", "processor time, s"),
}


def draw(points: Iterable[tuple[str, str, float, float]], path: Path) -> None:
    """Draw panel, line, x and cost of each point as PNG."""
    lines: dict[str, dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
    for panel, line, x, cost in points:
        lines[panel][line].append((x, cost))
    figure = Figure(figsize=(9.6, 6.4), dpi=130, facecolor="white", layout="constrained")
    for axes, (name, texts) in zip(figure.subplots(2, 2).flat, PANELS.items(), strict=True):
        _panel(axes, texts, lines[name])
    figure.savefig(path)


def _panel(axes: Axes, panel: Panel, lines: dict[str, list[tuple[float, float]]]) -> None:
    axes.set_title(panel.title, loc="left", fontsize=10, color=INK)
    axes.set_xlabel(panel.x, fontsize=9)
    axes.set_ylabel(panel.y, fontsize=9)
    last_x = max((x for points in lines.values() for x, _ in points), default=1.0)
    if panel.logarithmic:
        axes.loglog()
        axes.set_xlim(right=last_x**1.4)
    else:
        axes.set_xlim(0, last_x * 1.4)
    for (dashes, mark, ink), points in zip(LOOKS, lines.values(), strict=False):
        xs, costs = zip(*sorted(points), strict=True)
        axes.plot(xs, costs, linestyle=dashes, marker=mark, color=ink, markersize=4, linewidth=1.3)
    if not panel.logarithmic:
        axes.set_ylim(bottom=0)
    _name_lines(axes, {name: max(points) for name, points in lines.items()})
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda value, _: f"{value:,g}")
        axis.set_minor_formatter(lambda *_: "")
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, which="both", color=FAINT)


def _name_lines(axes: Axes, ends: dict[str, tuple[float, float]]) -> None:
    """Write the name of each line behind its last point, two that would meet apart."""
    to_share = axes.transData + axes.transAxes.inverted()
    heights = {name: float(to_share.transform(end)[1]) for name, end in ends.items()}
    for name, end in ends.items():
        near = [
            height
            for other, height in heights.items()
            if other != name and abs(height - heights[name]) < CLOSE
        ]
        aside = sum(6 if height <= heights[name] else -6 for height in near)
        axes.annotate(
            name, end, xytext=(7, aside), textcoords="offset points", va="center", fontsize=8, color=INK
        )
