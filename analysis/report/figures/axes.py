"""Axes of time and memory, and the parts that all figures share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.ticker import LogLocator, MultipleLocator, NullLocator

from analysis.formatting import format_hours
from analysis.judge.types import Numbers
from analysis.recording.model import Arm, Recording
from analysis.report.figures.style import (
    BAND,
    FAINT,
    GRID,
    INK,
    WIDTH_INCHES,
    Look,
    decimate,
)
from soak.contract import LOAD

MEMORY_TICKS: Final = 7
"""The most ticks of a memory axis."""
TICK_STEPS_S: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800,
                  3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800)  # fmt: skip
"""Possible distances of two ticks of time, seconds."""
TIME_TICKS: Final = 9
"""The most ticks of a time axis."""
SHORT_RUN_S: Final = 600
"""The time axis of a run shorter than this shows seconds."""


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Turns ``t_s`` into the figure's time, hours: the incident's since hour 0, or those of the run since its start."""

    zero_s: float
    unit_s: float
    label: str
    short_label: str
    with_seconds: bool = False
    zero: datetime | None = None
    """The moment of 0 where times are dates; None: they are hours."""

    def at(self, t_s: Numbers | float) -> Numbers:
        """Return the positions of these moments."""
        return (np.asarray(t_s) - self.zero_s) / self.unit_s

    def text(self, hours: float) -> str:
        """Return a position as ``5:37``, in a short run as ``0:05:37``; a date as ``26 Nov 06:00``."""
        if self.zero is not None:
            return f"{self.zero + timedelta(hours=hours):%d %b %H:%M}"
        return format_hours(hours, with_seconds=self.with_seconds)


def time_axis(recording: Recording) -> TimeAxis:
    """Return the time axis that fits the run."""
    manifest = recording.manifest
    if manifest.from_prometheus:
        began = manifest.started_wall_time
        midnight = began.replace(hour=0, minute=0, second=0, microsecond=0)
        return TimeAxis((midnight - began).total_seconds(), 3600.0, "UTC", "UTC", zero=midnight)
    if manifest.incident and recording.load is not None:
        scale = "" if manifest.hour_s == 3600 else f" (1:00 is {manifest.hour_s:g} s of this run)"
        label = f"hours of the incident since the load began, h:mm{scale}"
        return TimeAxis(recording.load.start_s, manifest.hour_s, label, "hours of the incident, h:mm")
    end_s = recording.phases[-1].end_s if recording.phases else 0.0
    form = "h:mm:ss" if end_s < SHORT_RUN_S else "h:mm"
    return TimeAxis(
        0.0, 3600.0, f"time since the run's start, {form}", f"time, {form}", with_seconds=end_s < SHORT_RUN_S
    )


def new_axes(figure: Figure, place: SubplotSpec, title: str = "") -> Axes:
    """Return axes without decoration."""
    axes = figure.add_subplot(place)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_title(title, loc="left", fontsize=9, color=INK, parse_math=False)
    return axes


def fit_time(axes: Axes, recording: Recording, time: TimeAxis, most_ticks: int = TIME_TICKS) -> None:
    """Set the time axis to the span of the run."""
    if recording.phases and recording.phases[-1].end_s > recording.phases[0].start_s:
        start_s = recording.phases[0].start_s
        if time.zero is None:
            start_s = min(start_s, time.zero_s)
        axes.set_xlim(*time.at(np.array([start_s, recording.phases[-1].end_s])))
    first, last = axes.get_xlim()
    least_s = (last - first) * 3600 / most_ticks
    step_s = next((step_s for step_s in TICK_STEPS_S if step_s >= least_s), least_s)
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


def memory_axis(axes: Axes, name: str) -> None:
    """Label a y of bytes as MiB, or as GiB where it reaches 2 GiB, at powers of two; ``name`` is that of the memory."""
    highest = axes.get_ylim()[1]
    unit, size = ("GiB", 2**30) if highest >= 2**31 else ("MiB", 2**20)
    step = 2.0 ** np.ceil(np.log2(max(highest, 1.0) / MEMORY_TICKS))
    axes.set_ylabel(f"{name}, {unit}", fontsize=8.5, color=INK)
    axes.yaxis.set_major_locator(MultipleLocator(step))
    axes.yaxis.set_major_formatter(lambda size_bytes, _: f"{size_bytes / size:g}")


def note_no_data(axes: Axes, what: str) -> None:
    """Write in place of a curve why there is none."""
    axes.set_yticks([])
    axes.text(0.5, 0.5, what, transform=axes.transAxes, ha="center", fontsize=8, color=FAINT)


def draw_lives(axes: Axes, arm: Arm, look: Look, column: str, time: TimeAxis) -> None:
    """Draw a column life by life, so that a death leaves a gap; nothing where the arm has no reading of it."""
    for _, rows in arm.readings(column).groupby("life"):
        x, y = decimate(time.at(rows["t_s"].to_numpy(float)), rows[column].to_numpy(float))
        axes.plot(x, y, **look.line)
