"""How the time of a pass is divided among its points."""

from __future__ import annotations

import pytest

from soak.contract import MIN_REPLAY_POINTS, MOST_REPLAY_POINTS
from soak.replay.timing import LEAST_PERIOD_S, WANTED_POINTS, end_s, overtime_s, period_s


def _points(seconds: float, cost_s: float) -> tuple[int, list[float]]:
    """Return how many points a pass takes in so much time, and the periods before them."""
    left_s = seconds
    periods: list[float] = []
    while (period := period_s(left_s, len(periods), cost_s)) is not None:
        periods.append(period)
        left_s -= period + cost_s
    return len(periods), periods


@pytest.mark.parametrize("cost_s", [0.01, 0.2, 0.5])
def test_a_long_pass_takes_all_points_in_periods_of_the_same_length(cost_s: float) -> None:
    """And uses up its time."""
    number, periods = _points(24.0, cost_s)
    assert number == MOST_REPLAY_POINTS
    assert periods == pytest.approx([24.0 / MOST_REPLAY_POINTS - cost_s] * number)


def test_a_short_pass_takes_fewer_points_before_its_periods_get_too_short() -> None:
    """Not fewer than are wanted."""
    number, periods = _points(6.0, 0.2)
    assert WANTED_POINTS <= number < MOST_REPLAY_POINTS
    assert min(periods) >= LEAST_PERIOD_S


def test_points_that_take_long_leave_shorter_periods_but_enough_points() -> None:
    """One more than are needed, where there is time for them at all."""
    number, periods = _points(3.5, 0.4)
    assert number == WANTED_POINTS > MIN_REPLAY_POINTS
    assert min(periods) > 0


def test_a_time_that_is_over_has_no_further_point() -> None:
    """Also with points to take."""
    assert period_s(0.1, 0, 0.2) is None
    assert period_s(60.0, MOST_REPLAY_POINTS, 0.2) is None


def test_more_traces_leave_more_time_for_their_analysis() -> None:
    """A second or more for each million, and for each 5 MB of a capture."""
    assert end_s(1_000_000, 0) >= end_s(0, 0) + 1
    assert end_s(0, 5_000_000) >= end_s(0, 0) + 1


def test_the_overtime_of_a_pass_is_small_against_it() -> None:
    """A third, but enough for an analysis."""
    assert overtime_s(60) == pytest.approx(20)
    assert overtime_s(1) > end_s(0, 0)
