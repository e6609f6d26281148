"""The figure of the memory breakdown: a waterfall from memory at the start of the load to that at its end."""

from __future__ import annotations

from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.formatting import MIB, format_bytes
from analysis.growth.memory_breakdown import MemoryBreakdown
from analysis.report.contents import ReportContents
from analysis.report.figures.axes import new_axes
from analysis.report.figures.labels import annotate_point
from analysis.report.figures.style import FAINT, INK, new_figure

LEVEL_COLOUR: Final = "#cfcfcf"
GAINED_COLOUR: Final = "#d55e00"
LOST_COLOUR: Final = "#56b4e9"
"""Colours of what grew and of what shrank; in grey, too, they differ: what shrank is lighter and hatched."""
BAR_WIDTH: Final = 0.62
PART_LABELS: Final = {
    "Python": "Python\nobjects\nto 512 B",
    "native": "malloc, and\nPython objects\nover 512 B",
    "rest": "other: stacks,\nmappings,\ntmpfs",
    "free": "free, retained\nby allocators",
    "kernel": "kernel\nmemory",
    "file cache": "file\ncache",
    "shared after fork": "shared\nafter fork",
}


def memory_breakdown_figure(contents: ReportContents) -> Figure:
    """Draw the waterfalls of the arms below each other, on one scale, in MiB; at least one arm has a breakdown."""
    flows = [arm.breakdown for arm in contents.growth if arm.breakdown is not None]
    figure = new_figure("Where the memory went under load", contents.recording, 0.9 + 2.4 * len(flows))
    grid = figure.add_gridspec(len(flows), 1)
    highest = max(_highest(flow) for flow in flows)
    for place, flow in enumerate(flows):
        axes = new_axes(figure, grid[place], _title(flow))
        _draw(axes, flow)
        axes.set_ylim(min(0.0, _lowest(flow)) / MIB, 1.18 * highest / MIB)
        axes.set_ylabel("memory, MiB", fontsize=8.5, color=INK)
    return figure


def _draw(axes: Axes, flow: MemoryBreakdown) -> None:
    whole = "charged" if flow.charged else "own memory"
    names = [f"{whole}\nat the start", *(PART_LABELS[name] for name, _ in flow.parts), f"{whole}\nat the end"]
    level = flow.start_bytes
    _bar(axes, 0, 0.0, level, format_bytes(level, "MiB"), LEVEL_COLOUR)
    for place, (_, part) in enumerate(flow.parts, 1):
        axes.plot(
            [place - 1 + BAR_WIDTH / 2, place - BAR_WIDTH / 2], [level / MIB] * 2, color=FAINT, linewidth=0.8
        )
        _bar(
            axes,
            place,
            level,
            part,
            format_bytes(part, "MiB", sign=True),
            GAINED_COLOUR if part >= 0 else LOST_COLOUR,
        )
        level += part
    last = len(names) - 1
    axes.plot([last - 1 + BAR_WIDTH / 2, last - BAR_WIDTH / 2], [level / MIB] * 2, color=FAINT, linewidth=0.8)
    _bar(axes, last, 0.0, flow.end_bytes, format_bytes(flow.end_bytes, "MiB"), LEVEL_COLOUR)
    axes.set_xticks(range(len(names)), names, parse_math=False)
    axes.set_xlim(-0.5, last + 0.5)


def _bar(axes: Axes, place: int, bottom: float, height: float, text: str, colour: str) -> None:
    axes.bar(
        place,
        height / MIB,
        BAR_WIDTH,
        bottom / MIB,
        color=colour,
        edgecolor=INK,
        linewidth=0.6,
        hatch="////" if height < 0 else None,
    )
    top = max(bottom, bottom + height)
    annotate_point(axes, text, (place, top / MIB), offset=(0, 3), ha="center")


def _title(flow: MemoryBreakdown) -> str:
    read = "quiesce points" if flow.settled else "readings under load"
    return f"{flow.arm}, life {flow.life}: between {read} at {flow.start_s:,.0f} s and {flow.end_s:,.0f} s"


def _levels(flow: MemoryBreakdown) -> list[float]:
    levels = [flow.start_bytes]
    for _, part in flow.parts:
        levels.append(levels[-1] + part)
    return levels


def _highest(flow: MemoryBreakdown) -> float:
    return max(_levels(flow))


def _lowest(flow: MemoryBreakdown) -> float:
    return min(_levels(flow))
