"""Change points: found where they are planted, and no more often than stated where there is none."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import bdtrc

from analysis.history.changes import FALSE_ALARM, LEAST_RUNS, change_points
from analysis.judge.types import Numbers

Random = np.random.Generator
HISTORIES = 400
ORDERS = 999


def normal(random: Random, count: int) -> tuple[Numbers, Numbers]:
    """Errors as the intervals state them, each run with its own."""
    errors = random.uniform(1, 20, count)
    return random.normal(0, errors), errors


def overdispersed(random: Random, count: int) -> tuple[Numbers, Numbers]:
    """Runs that differ ten times as much as their intervals state."""
    return random.normal(0, 10, count), np.ones(count)


def heavy_tails(random: Random, count: int) -> tuple[Numbers, Numbers]:
    """Runs of which some are far off, without intervals."""
    return random.standard_t(1.5, count), np.zeros(count)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [normal, overdispersed, heavy_tails])
@pytest.mark.parametrize("count", [LEAST_RUNS, 20, 40])
def test_a_figure_that_never_changed_is_given_a_change_no_more_often_than_stated(
    kind: Callable[[Random, int], tuple[Numbers, Numbers]], count: int
) -> None:
    """So many false alarms or more over many histories have a chance above 0.1% if FALSE_ALARM is true."""
    random = np.random.default_rng(count)
    alarms = sum(
        bool(change_points(*kind(random, count), permutations=ORDERS, seed=n)) for n in range(HISTORIES)
    )
    assert bdtrc(alarms - 1, HISTORIES, FALSE_ALARM) > 0.001 if alarms else True


def test_a_leak_that_begins_with_the_sixth_of_ten_runs_is_found() -> None:
    """With the level before and after, whatever the widths of the intervals are."""
    values = np.array([0.3, -2.1, 1.2, 0.4, -0.9, 17_300, 17_520, 16_900, 17_410, 17_150])
    errors = np.repeat([4.0, 180.0], 5)
    (change,) = change_points(values, errors)
    assert change.at == 5
    assert change.before == pytest.approx(-0.2, abs=0.5)
    assert change.after == pytest.approx(17_256, abs=50)
    assert 0.005 < change.p <= FALSE_ALARM


def test_a_second_change_is_found_beside_the_first() -> None:
    """Each level is the mean between its changes."""
    random = np.random.default_rng(7)
    values = np.repeat([0.0, 50.0, 20.0], 15) + random.normal(0, 2, 45)
    changes = change_points(values, np.full(45, 2.0))
    assert [change.at for change in changes] == [15, 30]
    assert [round(change.after, -1) for change in changes] == [50.0, 20.0]


@pytest.mark.parametrize("parts", [(8, 4, 8), (5, 6, 5), (10, 10, 10), (100, 3, 100)])
def test_a_leak_that_was_fixed_later_is_found_with_both_its_ends(parts: tuple[int, int, int]) -> None:
    """The level before and after is the same, so that no single split shows it."""
    noise = np.random.default_rng(1).normal(0.0, 2.0, sum(parts))
    values = np.repeat([5.0, 1000.0, 5.0], parts) + noise
    found = change_points(values, np.ones(len(values)), least=10.0)
    assert [change.at for change in found] == [parts[0], parts[0] + parts[1]]
    assert found[0].after == found[1].before == pytest.approx(1000.0, abs=5)


@pytest.mark.parametrize("count", [12, 15, 18, 20, 24, 60])
def test_a_leak_of_the_newest_three_runs_is_found(count: int) -> None:
    """It is what a release asks; a part in the middle of as many runs is as different by chance much sooner."""
    values = np.repeat([0.0, 1000.0], (count - 3, 3)) + np.random.default_rng(2).normal(0.0, 1.0, count)
    assert [change.at for change in change_points(values, np.ones(count), least=10.0)] == [count - 3]


def test_a_wide_interval_counts_less_than_a_narrow_one() -> None:
    """A run that decided nothing, far off, moves no level."""
    values = np.array([0.0, 1, 0, 1, 900, 0, 30, 31, 30, 31, 30, 31])
    errors = np.where(values == 900, 500.0, 1.0)
    (change,) = change_points(values, errors)
    assert change.at == 6
    assert change.before == pytest.approx(0.4, abs=1)


def test_one_outlier_is_no_change() -> None:
    """Whichever run it is."""
    for place in range(20):
        values = np.zeros(20) + np.arange(20) % 3
        values[place] = 1000.0
        assert change_points(values, np.zeros(20)) == ()


@pytest.mark.parametrize("values", [[], [1.0], [0.0] * 4 + [9.0] * 5, [5.0] * 30])
def test_too_few_or_equal_figures_have_no_change(values: list[float]) -> None:
    """Fewer than LEAST_RUNS can show none, whatever they are."""
    assert change_points(np.array(values), np.zeros(len(values))) == ()


def test_a_change_that_does_not_matter_is_none() -> None:
    """However certain it is; one that does is found beside it."""
    drift = np.arange(24) / 100
    assert change_points(drift, np.zeros(24))
    assert change_points(drift, np.zeros(24), least=1.0) == ()
    (change,) = change_points(drift + np.repeat([0.0, 5.0], 12), np.zeros(24), least=1.0)
    assert change.at == 12


def test_equal_histories_have_equal_changes() -> None:
    """The random orders do not differ from one call to the next, nor with the unit."""
    random = np.random.default_rng(3)
    values = np.repeat([0.0, 4.0], 8) + random.normal(0, 1, 16)
    first = change_points(values, np.ones(16))
    assert first
    assert first == change_points(values, np.ones(16))
    (scaled,) = change_points(values * 1e12, np.full(16, 1e12))
    assert (scaled.at, scaled.p) == (first[0].at, first[0].p)
