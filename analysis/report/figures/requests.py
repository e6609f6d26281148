"""The figure of the requests that were answered, where the load was nobody's plan."""

from __future__ import annotations

from typing import Final

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.judge.types import Numbers
from analysis.recording.model import Arm
from analysis.report.contents import ReportContents
from analysis.report.figures.axes import fit_time, new_axes, time_axis
from analysis.report.figures.labels import label_line_ends
from analysis.report.figures.style import INK, looks, new_figure

POINTS: Final = 400
"""Points of a line, each the mean of its stretch."""


def requests_figure(contents: ReportContents) -> Figure | None:
    """Draw the requests per second of each arm over time; None where no requests are known."""
    recording, time = contents.recording, time_axis(contents.recording)
    figure = new_figure("Requests per second", recording, height=2.8)
    axes = new_axes(figure, figure.add_gridspec(1, 1)[0])
    axes.set_xlabel(time.label, fontsize=8.5, color=INK)
    labels = []
    for arm, look in looks(recording.arms):
        t_s, per_s = requests_per_second(arm)
        if len(t_s):
            axes.plot(time.at(t_s), per_s, **look.line)
            labels.append((arm.name, float(per_s[-1]), look))
    if not labels:
        return None
    fit_time(axes, recording, time)
    axes.set_ylim(0, max(axes.get_ylim()[1] * 1.05, 1e-9))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5))
    label_line_ends(axes, labels, gap=0.08)
    return figure


def requests_per_second(arm: Arm) -> tuple[Numbers, Numbers]:
    """Return times, seconds since the run's start, and the requests per second around them; empty if not known."""
    counted = arm.requests.dropna(subset="ok")
    t_s = counted["t_s"].to_numpy(float)
    if len(counted) < 2 or t_s[0] == t_s[-1]:
        return np.empty(0), np.empty(0)
    so_far = np.cumsum(counted["ok"].to_numpy(float))
    edges = np.linspace(t_s[0], t_s[-1], min(POINTS, len(t_s)))
    return (edges[1:] + edges[:-1]) / 2, np.diff(np.interp(edges, t_s, so_far)) / np.diff(edges)
