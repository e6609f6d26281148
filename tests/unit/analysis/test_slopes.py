from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.recording.read import read_recording
from analysis.slopes import Slope, fit, slopes_of_lives

Build = Callable[..., Path]


def test_the_interval_holds_the_planted_slope_and_not_zero() -> None:
    """A line with independent noise gets an interval around its slope that leaves out 0."""
    x = np.arange(200.0)
    noise = np.random.default_rng(1).normal(0, 5, len(x))
    slope = fit(x, 3.0 * x + noise)
    assert slope is not None
    assert slope.low < 3.0 < slope.high
    assert slope.low > 0
    assert slope.r_squared == pytest.approx(np.corrcoef(x, 3.0 * x + noise)[0, 1] ** 2)


def test_the_interval_of_noise_holds_zero() -> None:
    """Noise alone is no trend, in 95 of 100 seeds or nearly so."""
    x = np.arange(200.0)
    slopes = [fit(x, np.random.default_rng(seed).normal(0, 5, len(x))) for seed in range(100)]
    assert 90 <= sum(slope is not None and slope.low < 0 < slope.high for slope in slopes) <= 99


def test_pairs_with_an_empty_cell_are_left_out() -> None:
    """A reading that was missed is no point of the line."""
    x, y = np.arange(20.0), 2.0 * np.arange(20.0)
    y[3], x[5] = np.nan, np.nan
    slope = fit(x, y)
    assert slope is not None
    assert slope.value == pytest.approx(2.0)


def test_no_slope_without_enough_to_fit() -> None:
    """Too few readings, or requests that stand still, have no slope; a constant y has slope 0."""
    x = np.arange(20.0)
    assert fit(x[:9], x[:9]) is None
    assert fit(np.full(20, 7.0), x) is None
    assert fit(x, np.full(20, 7.0)) == Slope(0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("far", [1e9, 1e15])
def test_a_clock_that_is_far_from_0_moves_no_slope(far: float) -> None:
    """Requests since the start of a late life; where its steps are lost in rounding there is none."""
    x = np.arange(200.0)
    y = 3.0 * x + np.random.default_rng(1).normal(0, 5, len(x))
    near, late = fit(x, y), fit(far + x, y)
    assert near is not None
    assert late is not None
    assert (late.value, late.low, late.high) == pytest.approx((near.value, near.low, near.high))


def test_each_life_under_load_has_its_slopes(build_run: Build) -> None:
    """A restart in the middle does not hide the leak: life 1 is fitted on its own, per hour and per request."""
    recording = read_recording(build_run(after_growth_bytes=0.0))
    first, second, fixed = slopes_of_lives(recording.arms, recording.load)
    assert [(trend.arm, trend.life, trend.readings) for trend in (first, second, fixed)] == [
        ("leaky", 1, 168),
        ("leaky", 2, 9),
        ("fixed", 1, 180),
    ]
    assert first.live_blocks_per_request is not None
    assert first.live_blocks_per_request.value == pytest.approx(12, abs=0.01)
    assert first.rss_bytes_per_request is not None
    assert first.rss_bytes_per_request.low > 30_000
    assert first.rss_bytes_per_hour is not None
    assert first.rss_bytes_per_hour.value == pytest.approx(
        first.rss_bytes_per_request.value * 80 * 3600, rel=0.02
    )
    assert second.rss_bytes_per_hour is None
    assert fixed.requests == 80 * 179
    assert fixed.rss_bytes_per_hour == Slope(0.0, 0.0, 0.0, 0.0)


def test_without_requests_there_is_no_slope_per_request(build_run: Build) -> None:
    """When requests.csv is lost, the slope per hour remains."""
    run_dir = build_run()
    (run_dir / "leaky" / "requests.csv").unlink()
    recording = read_recording(run_dir)
    first = slopes_of_lives(recording.arms, recording.load)[0]
    assert first.rss_bytes_per_hour is not None
    assert (first.rss_bytes_per_request, first.requests) == (None, 0)
