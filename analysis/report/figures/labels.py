"""Labels written into a figure, kept off each other."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, DrawingArea, HPacker, TextArea, VPacker
from matplotlib.patheffects import withStroke

from analysis.report.figures.style import INK, Look

SAMPLE_POINTS: Final = 18
"""Length of the piece of line in a label."""


def write(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    *,
    offset: tuple[float, float] = (0, 0),
    ha: str = "left",
    va: str = "baseline",
    colour: str = INK,
) -> None:
    """Write at a point of the data, moved by ``offset`` in points, with a halo that keeps it off the lines."""
    label = axes.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        ha=ha,
        va=va,
        fontsize=8,
        color=colour,
        zorder=6,
        parse_math=False,
    )
    label.set_path_effects([withStroke(linewidth=2, foreground="white")])


def spread(positions: list[float], gap: float) -> list[float]:
    """Return positions within 0 to 1 moved apart to at least ``gap``, in the same order; the top one stays below 1.

    Where there is no room for all, the lowest end below 0.
    """
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    moved = list(positions)
    for lower, upper in pairwise(order):
        moved[upper] = max(moved[upper], moved[lower] + gap)
    top = 1.0
    for i in reversed(order):
        moved[i] = min(moved[i], top)
        top = moved[i] - gap
    return moved


def end_labels(axes: Axes, labels: list[tuple[str, float, Look]], gap: float) -> None:
    """Write labels right of the axes at their heights in the data, at least ``gap`` of the axes' height apart.

    Each begins with a piece of its line, so that it can be told without colour where lines lie on each other.
    """
    labels = labels[::-1]  # where lines end together, the first arm stands on top
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(np.clip(to_axes.transform((0.0, y))[1], 0, 1)) for _, y, _ in labels]
    for (text, _, look), height in zip(labels, spread(heights, gap), strict=True):
        axes.add_artist(
            AnnotationBbox(
                _with_sample(text, look),
                (1.0, height),
                xycoords="axes fraction",
                xybox=(4, 0),
                boxcoords="offset points",
                box_alignment=(0, 0.5),
                pad=0,
                frameon=False,
                annotation_clip=False,
            )
        )


def key(axes: Axes, lines: list[tuple[str, Look | None]]) -> None:
    """Write lines above the axes, each behind a piece of its arm's line where it has a look."""
    if lines:
        content = VPacker(children=[_with_sample(text, look) for text, look in lines], pad=0, sep=2)
        box = AnnotationBbox(
            content,
            (0.0, 1.0),
            xycoords="axes fraction",
            xybox=(0, 5),
            boxcoords="offset points",
            box_alignment=(0, 0),
            pad=0,
            frameon=False,
            annotation_clip=False,
        )
        axes.add_artist(box)


def _with_sample(text: str, look: Look | None) -> HPacker:
    children: list[Artist] = [TextArea(text, textprops={"fontsize": 8, "color": INK, "parse_math": False})]
    if look:
        sample, x = DrawingArea(SAMPLE_POINTS, 0), [0, SAMPLE_POINTS]
        sample.add_artist(Line2D(x, [0, 0], color=look.colour, linestyle=look.dashes, linewidth=look.width))
        children.insert(0, sample)
    return HPacker(children=children, align="center", pad=0, sep=3)
