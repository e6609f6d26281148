"""Labels in a figure that do not overlap."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, DrawingArea, HPacker, TextArea
from matplotlib.patheffects import withStroke

from analysis.report.figures.style import INK, Look

SAMPLE_POINTS: Final = 18
"""Length of the piece of line in a label, points."""


def annotate_point(
    axes: Axes,
    text: str,
    at: tuple[float, float],
    *,
    offset: tuple[float, float] = (0, 0),
    ha: str = "left",
    va: str = "baseline",
    colour: str = INK,
) -> None:
    """Write at a point of the data, moved by ``offset`` in points, with a white halo so that no line hides it."""
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
    label.set_path_effects([withStroke(linewidth=3, foreground="white")])


def spread_apart(positions: list[float], gap: float) -> list[float]:
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


def label_line_ends(axes: Axes, labels: list[tuple[str, float, Look]], gap: float) -> None:
    """Write labels right of the axes at their heights in the data, at least ``gap`` of the axes' height apart.

    Each begins with a piece of its line, so that lines on top of each other are distinct without colour.
    """
    labels = labels[::-1]  # where lines end together, the first arm stands on top
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(np.clip(to_axes.transform((0.0, y))[1], 0, 1)) for _, y, _ in labels]
    for (text, _, look), height in zip(labels, spread_apart(heights, gap), strict=True):
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


def legend_above(axes: Axes, lines: list[tuple[str, Look]]) -> None:
    """Write lines above the axes, each behind a piece of its line."""
    if lines:
        handles = [Line2D([], [], **look.line) for _, look in lines]
        legend = axes.legend(
            handles,
            [text for text, _ in lines],
            loc="lower left",
            bbox_to_anchor=(0, 1),
            frameon=False,
            fontsize=8,
            labelcolor=INK,
            labelspacing=0.3,
            borderpad=0,
        )
        for text in legend.get_texts():
            text.set_parse_math(False)


def _with_sample(text: str, look: Look) -> HPacker:
    sample, x = DrawingArea(SAMPLE_POINTS, 0), [0, SAMPLE_POINTS]
    sample.add_artist(Line2D(x, [0, 0], **look.line))
    label = TextArea(text, textprops={"fontsize": 8, "color": INK, "parse_math": False})
    return HPacker(children=[sample, label], align="center", pad=0, sep=3)
