"""The figure of live blocks, tasks, sessions and gauges."""

from __future__ import annotations

import math
from typing import Final

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.recording.gauges import PREFIX, gauge_names
from analysis.recording.measurements import peak
from analysis.recording.model import Recording
from analysis.recording.pending_tasks import PENDING
from analysis.report.contents import ReportContents
from analysis.report.figures.axes import (
    draw_lives,
    fit_time,
    new_axes,
    note_no_data,
    shade_phases,
    time_axis,
)
from analysis.report.figures.labels import label_line_ends
from analysis.report.figures.style import INK, looks, new_figure

FINISHED: Final = ("tasks_finished", "Finished tasks still referenced")
MOSTLY_PENDING: Final = (PENDING, "Pending tasks")
"""Column and title of a panel where there are more pending tasks than finished ones."""
SESSIONS: Final = ("sessions_open", "Client sessions open")
MOST_GAUGE_PANELS: Final = 4
"""Gauges that have a panel; of more, those with the highest readings."""
LONGEST_TITLE: Final = 48
"""Characters that are drawn of a gauge's name: the width of a panel."""


def panels(recording: Recording) -> tuple[tuple[str, str], ...]:
    """Return column and title of each panel: tasks, sessions, and the gauges that the targets registered."""

    def highest_of(column: str) -> float:
        return max(peak(arm, column).value or 0.0 for arm in recording.arms)

    tasks = (FINISHED, MOSTLY_PENDING) if highest_of(PENDING) > highest_of(FINISHED[0]) else (FINISHED,)
    names = gauge_names(arm.samples for arm in recording.arms)
    highest = {name: highest_of(PREFIX + name) for name in names}
    drawn = sorted(sorted(names, key=lambda name: -highest[name])[:MOST_GAUGE_PANELS])
    return (*tasks, SESSIONS, *((PREFIX + name, _title(name)) for name in drawn))


def _title(gauge: str) -> str:
    title = gauge.replace("_", " ").capitalize()
    return title if len(title) <= LONGEST_TITLE else f"{title[: LONGEST_TITLE - 1]}…"


def objects_figure(contents: ReportContents) -> Figure:
    """Draw tasks, sessions and the target's gauges over time, each with its highest number."""
    recording, time = contents.recording, time_axis(contents.recording)
    drawn = panels(recording)
    lines = math.ceil(len(drawn) / 2)
    figure = new_figure(
        "Objects over time, with the maximum of each arm", recording, height=0.7 + 1.9 * lines
    )
    grid = figure.add_gridspec(lines, 2)
    for place, (column, title) in enumerate(drawn):
        axes = new_axes(figure, grid[place], title)
        if place >= len(drawn) - 2:
            axes.set_xlabel(time.short_label, fontsize=8.5, color=INK)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
        axes.yaxis.set_major_formatter("{x:,.0f}")
        for arm, look in looks(recording.arms):
            draw_lives(axes, arm, look, column, time)
        if not axes.lines:
            note_no_data(axes, "not read: no probe, or none in the process")
        axes.set_ylim(0, max(1.0, axes.get_ylim()[1] * 1.05))
        fit_time(axes, recording, time, most_ticks=5)
        shade_phases(axes, recording, time, names=False)
        highest = [(arm.name, look, peak(arm, column).value) for arm, look in looks(recording.arms)]
        labels = [
            (f"{name}: {value:,.0f}", value, look) for name, look, value in highest if value is not None
        ]
        label_line_ends(axes, labels, gap=0.11)
    return figure
