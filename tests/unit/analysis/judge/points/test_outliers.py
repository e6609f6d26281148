from __future__ import annotations

import numpy as np
import pytest

from analysis.judge.points.outliers import cut_off_at_end, replace_outliers
from analysis.judge.types import Numbers

WIDTH = 11


def noisy(value: Numbers, seed: int = 1) -> Numbers:
    return value + np.random.default_rng(seed).normal(0, 1, len(value))


@pytest.mark.parametrize(
    "shape",
    [
        np.zeros(100),
        np.minimum(np.arange(100.0), 40) * 5,
        np.where(np.arange(100) < 50, 0.0, 40.0),
        30 * np.sin(np.arange(100) / 4),
    ],
    ids=["flat", "a fill", "a step", "waves"],
)
def test_what_is_no_spike_stays(shape: Numbers) -> None:
    """Noise, a ramp that ends, a step and waves keep all but a few of their points, where the ramp is steep too."""
    value = noisy(shape)
    assert (replace_outliers(value, WIDTH) != value).sum() <= 3


def test_spikes_are_drawn_back() -> None:
    """Three high points in a row, and one that is low, come back to the others; a ramp goes on through them."""
    ramp = noisy(np.arange(100.0) / 2)
    value = ramp.copy()
    value[30:33] += 50
    value[60] -= 50
    filtered = replace_outliers(value, WIDTH)
    assert np.abs(filtered - ramp)[[30, 31, 32, 60]].max() < 5


def test_a_spike_at_the_end_is_drawn_back_to_what_came_before() -> None:
    """With neighbours on one side only: to their line where they rise, to their level where they fall."""
    for slope in (0.5, -0.5):
        value = noisy(slope * np.arange(100.0))
        value[-3:] += 60
        assert np.abs(replace_outliers(value, WIDTH)[-3:] - slope * np.arange(97, 100)).max() < 10


def test_waves_that_rise_at_the_end_stay() -> None:
    """How far a line through those before told what came next is taken from the whole life."""
    value = noisy(30 * np.sin(np.arange(100) / 4 + 0.9), 2)
    assert (replace_outliers(value, WIDTH)[-5:] == value[-5:]).all()


def test_few_points_are_left_alone() -> None:
    """Fewer than two windows have no neighbours to be compared with."""
    value = noisy(np.zeros(2 * WIDTH))
    value[5] = 100
    assert (replace_outliers(value, WIDTH) == value).all()


@pytest.mark.parametrize(
    ("shape", "cut_off"),
    [
        ({98: 20, 99: 40}, 40),
        ({97: 40, 98: 40, 99: 40}, 40),
        ({99: 40}, 40),
        # it came back
        ({97: 40, 98: 40}, 0),
        # the service has spikes as long and half as high
        ({40: 25, 41: 25, 98: 40, 99: 40}, 0),
        # those that it has are lower, or shorter
        ({40: 15, 41: 15, 98: 40, 99: 40}, 40),
        ({40: 40, 60: 40, 98: 40, 99: 40}, 40),
        ({}, 0),
    ],
)
def test_what_is_cut_off_at_the_end_is_stated_unless_it_is_one_of_many_spikes(
    shape: dict[int, float], cut_off: float
) -> None:
    """A rise at the end may stay: only one that came back, or that is like spikes before it, is known to be none."""
    value = noisy(np.zeros(100))
    for at, height in shape.items():
        value[at] += height
    assert cut_off_at_end(value, replace_outliers(value, WIDTH)) == pytest.approx(cut_off, abs=4)
