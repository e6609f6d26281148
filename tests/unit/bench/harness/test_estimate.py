from __future__ import annotations

import math

import numpy as np
import pytest

from bench.harness.estimate import Estimate, Finding, Goal, Verdict, estimate, ratios


def test_the_interval_is_students_t_on_the_logarithms() -> None:
    """Three values whose logarithms are 0, 1 and 2: the textbook's interval is 1 ± 4.302653 / √3."""
    measured = estimate([1.0, math.e, math.e**2])
    assert math.log(measured.middle) == pytest.approx(1.0)
    assert math.log(measured.low) == pytest.approx(1.0 - 4.302653 / math.sqrt(3), abs=1e-6)
    assert math.log(measured.high) == pytest.approx(1.0 + 4.302653 / math.sqrt(3), abs=1e-6)


def test_the_interval_holds_the_truth_19_times_in_20() -> None:
    """Of 2,000 measurements of a planted ratio of 2, 95% have it in their interval (94 to 96 by chance)."""
    random = np.random.default_rng(1)
    runs = [estimate(random.lognormal(np.log(2.0), 0.3, size=8).tolist()) for _ in range(2000)]
    assert 0.94 < np.mean([run.low <= 2.0 <= run.high for run in runs]) < 0.96


def test_what_slows_the_machine_cancels_out() -> None:
    """Rounds that are each disturbed by another factor give the planted ratio, without any width."""
    slowness = [1.0, 0.5, 0.8, 0.1]
    measured = estimate(ratios([300 * factor for factor in slowness], [200 * factor for factor in slowness]))
    assert (measured.low, measured.middle, measured.high) == pytest.approx((1.5, 1.5, 1.5))


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 0.0], [1.0, -2.0]])
def test_no_interval_is_made_up(values: list[float]) -> None:
    """One value has no spread, and none below 0 is a ratio."""
    with pytest.raises(ValueError, match="an interval needs two or more values above 0"):
        estimate(values)


def test_rounds_must_pair() -> None:
    """A round that one of the two lacks is an error, not dropped."""
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("low", "high", "at_least", "at_most"),
    [
        (2.1, 2.5, Verdict.MET, Verdict.MISSED),
        (2.0, 2.5, Verdict.MET, Verdict.OPEN),
        (1.9, 2.1, Verdict.OPEN, Verdict.OPEN),
        (1.5, 2.0, Verdict.OPEN, Verdict.MET),
        (1.5, 1.9, Verdict.MISSED, Verdict.MET),
    ],
)
def test_only_an_interval_that_excludes_the_goal_misses_it(
    low: float, high: float, at_least: Verdict, at_most: Verdict
) -> None:
    """The goal is 2: an interval that holds it leaves the question open."""
    measured = Estimate((low + high) / 2, low, high)
    assert Goal(2.0, at_least=True).judge(measured) is at_least
    assert Finding("", Goal(2.0, at_least=False), "x", measured).verdict is at_most
