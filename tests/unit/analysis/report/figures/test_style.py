from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from analysis.recording.model import Phase
from analysis.recording.read import read_recording
from analysis.report.figures.axes import TIME_TICKS, TimeAxis, fit_time
from analysis.report.figures.labels import label_line_ends, spread_apart
from analysis.report.figures.style import AFTER, BEFORE, OTHERS, decimate

LOOKS = (BEFORE, AFTER, *OTHERS)


def test_decimation_keeps_every_extreme() -> None:
    """A spike of one second stays visible among a day of readings."""
    x = np.arange(86_400.0)
    y = np.sin(x / 5000)
    y[40_000], y[70_001] = 9.0, -9.0
    kept_x, kept_y = decimate(x, y)
    assert len(kept_x) <= 4000
    assert np.all(np.diff(kept_x) >= 0)
    assert (kept_x[kept_y.argmax()], kept_x[kept_y.argmin()]) == (40_000, 70_001)


def test_decimation_keeps_gaps() -> None:
    """An hour without a reading stays a hole in the line, and a missed second does not make one."""
    x = np.arange(86_400.0)
    y = np.ones(len(x))
    y[36_000:39_600] = np.nan
    y[100] = np.nan
    kept_x, kept_y = decimate(x, y)
    empty = kept_x[np.isnan(kept_y)]
    assert empty.min() >= 36_000
    assert empty.max() < 39_600


def test_labels_stay_beside_their_axes() -> None:
    """Labels that end at the top are moved down, not out."""
    assert spread_apart([0.99, 0.98, 0.2, 1.0], 0.1) == pytest.approx([0.9, 0.8, 0.2, 1.0])


def test_few_points_are_left_alone() -> None:
    """What can be drawn whole is."""
    x = np.arange(4000.0)
    assert decimate(x, x)[0] is x


def test_labels_move_apart_and_keep_their_order() -> None:
    """Labels that would touch are moved, those that would not stay."""
    assert spread_apart([0.5, 0.1, 0.12, 0.12], 0.05) == pytest.approx([0.5, 0.1, 0.15, 0.2])


def test_seven_labels_at_one_height_are_all_legible() -> None:
    """Arms that end together get labels that do not overlap, the first arm's on top, each with its own dashes."""
    figure = Figure(figsize=(8, 4.5))
    axes = figure.add_subplot()
    names = [f"arm {i}" for i in range(7)]
    label_line_ends(axes, [(name, 0.0, look) for name, look in zip(names, LOOKS, strict=True)], gap=0.045)
    figure.draw_without_rendering()
    boxes = [artist.get_window_extent() for artist in axes.artists]
    rising = sorted(boxes, key=lambda box: box.y0)
    assert all(lower.y1 <= upper.y0 for lower, upper in pairwise(rising))
    assert boxes == rising
    assert len({str(look.dashes) for look in LOOKS}) == 7


@pytest.mark.parametrize("hours", [0.02, 72.0, 24 * 365 * 1e6])
def test_the_ticks_of_time_are_few(build_run: Callable[..., Path], hours: float) -> None:
    """However long a run is, or a damaged clock says it was: a tick a week for a million years is never drawn."""
    recording = replace(read_recording(build_run()), phases=(Phase("load", 0.0, hours * 3600),))
    axes = Figure().add_subplot()
    fit_time(axes, recording, TimeAxis(0.0, 3600.0, "", ""))
    low, high = axes.get_xlim()
    assert [low, high] == pytest.approx([0.0, hours])
    assert 3 <= sum(low <= tick <= high for tick in axes.get_xticks()) <= TIME_TICKS + 1
