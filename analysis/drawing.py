"""What the figures share: looks, axes, labels that do not collide."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.offsetbox import AnnotationBbox, DrawingArea, HPacker, TextArea, VPacker
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, MultipleLocator, NullLocator
from matplotlib.typing import LineStyleType

from analysis.comparison import sides
from analysis.recording import Arm, Recording
from analysis.words import clock_of
from soak.contract import LOAD

Numbers = npt.NDArray[np.float64]

WIDTH_INCHES: Final = 8.0
DPI: Final = 200
INK: Final = "#222222"
FAINT: Final = "#666666"
BAND: Final = "#f3f3f3"
GRID: Final = "#e4e4e4"
PAPER: Final = "#ffffff"
MAX_POINTS: Final = 4000
MOST_SIZES: Final = 7
"""Ticks of a memory axis."""
SAMPLE_POINTS: Final = 18
"""Length of the piece of line in a label."""


@dataclass(frozen=True, slots=True)
class Look:
    """How an arm is drawn, told apart by colour (Okabe and Ito's, safe for the colour-blind) and by dashes."""

    colour: str
    dashes: LineStyleType
    """A name of matplotlib's, or an offset and the lengths of dashes and gaps, in line widths."""
    width: float = 1.6


BEFORE: Final = Look("#d55e00", "-")
AFTER: Final = Look("#0072b2", "--")
OTHERS: Final = (
    Look("#009e73", "-."),
    Look("#cc79a7", ":"),
    Look("#222222", (0, (6, 1, 1, 1, 1, 1))),
    Look("#56b4e9", (0, (9, 2))),
    Look("#e69f00", (0, (2, 1))),
)


STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
                  3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)  # fmt: skip
"""Between two ticks of time, seconds."""
MOST_TICKS: Final = 9
SHORT_S: Final = 600
"""A run below it has seconds on its axis."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Turns ``t_s`` into the figure's time, hours: the article's since hour 0, or those of the run since its start."""

    zero_s: float
    unit_s: float
    label: str
    short_label: str
    with_seconds: bool = False

    def at(self, t_s: Numbers | float) -> Numbers:
        """Return the positions of these moments."""
        return (np.asarray(t_s) - self.zero_s) / self.unit_s

    def text(self, hours: float) -> str:
        """Return a position as ``5:37``, in a short run as ``0:05:37``."""
        return clock_of(3600 * hours, with_seconds=self.with_seconds)


def looks(arms: tuple[Arm, ...]) -> list[tuple[Arm, Look]]:
    """Return each arm with its look."""
    before, after = sides(arms)
    others = [arm for arm in arms if arm is not before and arm is not after]
    chosen = {arm.name: OTHERS[i % len(OTHERS)] for i, arm in enumerate(others)}
    chosen |= {arm.name: look for arm, look in ((before, BEFORE), (after, AFTER)) if arm is not None}
    return [(arm, chosen[arm.name]) for arm in arms]


def time_axis(recording: Recording) -> TimeAxis:
    """Return the time axis that fits the run."""
    manifest = recording.manifest
    if manifest.article and recording.load is not None:
        scale = "" if manifest.hour_s == 3600 else f" (1:00 is {manifest.hour_s:g} s of this run)"
        label = f"hours of the article since the load began, h:mm{scale}"
        return TimeAxis(recording.load.start_s, manifest.hour_s, label, "hours of the article, h:mm")
    end_s = recording.phases[-1].end_s if recording.phases else 0.0
    form = "h:mm:ss" if end_s < SHORT_S else "h:mm"
    return TimeAxis(
        0.0, 3600.0, f"time since the run's start, {form}", f"time, {form}", with_seconds=end_s < SHORT_S
    )


def new_figure(title: str, recording: Recording, height: float = 4.5) -> Figure:
    """Return an empty figure with its title on the left and the run's on the right; height in inches."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    figure = Figure(figsize=(WIDTH_INCHES, height), dpi=DPI, facecolor="white", layout=layout)
    figure.suptitle(title, x=0.015, ha="left", fontsize=11, fontweight="bold", color=INK)
    figure.text(
        0.985,
        1 - 0.09 / height,
        recording.manifest.run_id,
        ha="right",
        va="top",
        color=FAINT,
        fontsize=8,
        parse_math=False,
    )
    return figure


def new_axes(figure: Figure, place: SubplotSpec, title: str = "") -> Axes:
    """Return axes with what carries meaning and no more."""
    axes = figure.add_subplot(place)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontsize=9, color=INK)
    return axes


def decimate(x: Numbers, y: Numbers, limit: int = MAX_POINTS) -> tuple[Numbers, Numbers]:
    """Return at most ``limit`` points that keep each stretch's lowest and highest value; a NaN alone stays one."""
    if len(x) <= limit:
        return x, y
    stretch = -(-len(x) // (limit // 2))
    padded = np.append(y, np.full(-len(y) % stretch, np.nan)).reshape(-1, stretch)
    lowest = np.where(np.isnan(padded), np.inf, padded).argmin(axis=1)
    highest = np.where(np.isnan(padded), -np.inf, padded).argmax(axis=1)
    kept = np.sort(np.concatenate([lowest, highest]) + np.tile(np.arange(len(padded)) * stretch, 2))
    return x[kept], y[kept]


def fit_time(axes: Axes, recording: Recording, time: TimeAxis, most_ticks: int = MOST_TICKS) -> None:
    """Let the time axis span the run."""
    if recording.phases and recording.phases[-1].end_s > recording.phases[0].start_s:
        start_s = min(recording.phases[0].start_s, time.zero_s)
        axes.set_xlim(*time.at(np.array([start_s, recording.phases[-1].end_s])))
    first, last = axes.get_xlim()
    least_s = (last - first) * 3600 / most_ticks
    step_s = next((step_s for step_s in STEPS_S if step_s >= least_s), least_s)
    axes.xaxis.set_major_locator(MultipleLocator(step_s / 3600))
    axes.xaxis.set_major_formatter(lambda hours, _: time.text(hours))


def shade_phases(axes: Axes, recording: Recording, time: TimeAxis, *, names: bool) -> None:
    """Shade the phases around the load, and name those wide enough to hold their name."""
    first, last = axes.get_xlim()
    for phase in recording.phases:
        start, end = time.at(np.array([phase.start_s, phase.end_s]))
        if phase.name != LOAD:
            axes.axvspan(start, end, facecolor=BAND, edgecolor="white", linewidth=2, zorder=0)
        room_inches = (end - start) / (last - first) * WIDTH_INCHES * 0.85
        if names and room_inches > 0.13:
            axes.annotate(
                phase.name,
                ((start + end) / 2, 1.0),
                xycoords=axes.get_xaxis_transform(),
                xytext=(0, -3),
                textcoords="offset points",
                ha="center",
                va="top",
                rotation=90 if room_inches < 0.085 * len(phase.name) else 0,
                fontsize=7.5,
                color=FAINT,
                parse_math=False,
            )


def log_axis(axes: Axes) -> None:
    """Make y logarithmic over whole decades, labelled 1, 2, 5, 10."""
    axes.set_yscale("log")
    low, high = np.log10(axes.get_ylim())
    axes.set_ylim(10 ** np.floor(low), 10 ** np.ceil(high))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.yaxis.set_minor_locator(NullLocator())


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


def memory_axis(axes: Axes) -> None:
    """Label a y of bytes as MiB, or as GiB where it reaches 2 GiB, at powers of two, and say so beside it."""
    highest = axes.get_ylim()[1]
    unit, size = ("GiB", 2**30) if highest >= 2**31 else ("MiB", 2**20)
    step = 2.0 ** np.ceil(np.log2(max(highest, 1.0) / MOST_SIZES))
    axes.set_ylabel(f"RSS, {unit}", fontsize=8.5, color=INK)
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_formatter(lambda size_bytes, _: f"{size_bytes / size:g}")


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


def nothing_read(axes: Axes, what: str) -> None:
    """Say in the place of a curve that there is none."""
    axes.set_yticks([])
    axes.text(0.5, 0.5, what, transform=axes.transAxes, ha="center", fontsize=8, color=FAINT)
