from __future__ import annotations

import numpy as np
import pytest

from analysis.drawing import decimate, spread


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


def test_few_points_are_left_alone() -> None:
    """What can be drawn whole is."""
    x = np.arange(4000.0)
    assert decimate(x, x)[0] is x


def test_labels_move_apart_and_keep_their_order() -> None:
    """Labels that would touch are moved, those that would not stay."""
    assert spread([0.5, 0.1, 0.12, 0.12], 0.05) == pytest.approx([0.5, 0.1, 0.15, 0.2])
