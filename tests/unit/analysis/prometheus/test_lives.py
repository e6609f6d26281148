"""Lives of a series by start times, and what looks like several processes behind one address."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.external.starts import same_starts
from analysis.prometheus.answers import Series
from analysis.prometheus.lives import cut_lives, shares_process

T_S = 1e9 + np.arange(10.0) * 60


def series(value: list[float] | float, **labels: str) -> Series:
    return Series(
        tuple(sorted(labels.items())), T_S, np.broadcast_to(np.array(value, dtype=float), 10).copy()
    )


def test_another_start_time_is_a_new_life() -> None:
    starts = series([1e8] * 4 + [1e9 + 200.5] * 6, pod="a")
    (one,) = cut_lives((series(5e7, pod="a"),), (starts,))
    assert one.life.tolist() == [0] * 4 + [1] * 6
    assert (one.restarts, one.known, one.several) == (1, True, 0)


@pytest.mark.parametrize("step_s", [1.0, -1.0, 0.0])
def test_a_boot_time_that_is_rounded_otherwise_is_no_restart(step_s: float) -> None:
    starts = series([1e8 + 0.37, 1e8 + 0.37 + step_s] * 5, pod="a")
    (one,) = cut_lives((series(5e7, pod="a"),), (starts,))
    assert (one.restarts, one.several) == (0, 0)


def test_workers_that_were_started_together_are_several_processes() -> None:
    """Their start times lie hundredths of a second apart, and take turns from scrape to scrape."""
    starts = series([1e8 + 0.01, 1e8 + 0.05, 1e8 + 0.03, 1e8 + 0.05, 1e8 + 0.01] * 2, pod="a")
    (one,) = cut_lives((series(5e7, pod="a"),), (starts,))
    assert one.several == 3


def test_without_start_times_restarts_are_not_known() -> None:
    none = series(float("nan"), pod="a")
    for starts in ((), (series(1e8, pod="b"),), (none,)):
        (one,) = cut_lives((series(5e7, pod="a"),), starts)
        assert not one.known


def test_start_times_of_the_same_pod_are_those_of_the_memory() -> None:
    """Their other labels may differ, as those of a --start-query of another exporter do."""
    starts = (series(1e8, pod="a", job="x"), series(2e8, pod="b", job="x"))
    (one,) = cut_lives((series(5e7, pod="b", instance="node"),), starts)
    assert one.known


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"pod": "a"}, {"pod": "a", "instance": "1"}, True),
        ({"pod": "a", "namespace": "n"}, {"pod": "a", "namespace": "m"}, False),
        ({"pod": "a", "instance": "node"}, {"pod": "b", "instance": "node"}, False),
        ({"instance": "1"}, {"instance": "1", "pod": "a"}, True),
        ({"instance": "1", "job": "x"}, {"instance": "1", "job": "y"}, False),
        ({"job": "x"}, {"job": "x"}, False),
    ],
)
def test_a_process_is_known_by_its_pod_else_by_its_instance(
    one: dict[str, str], other: dict[str, str], same: bool
) -> None:
    assert shares_process(series(1, **one), series(1, **other)) is same


def test_equal_starts_have_one_number() -> None:
    assert same_starts(np.array([5.0, 9.25, 5.0, 6.0, 9.25])).tolist() == [0, 1, 0, 0, 1]


@pytest.mark.parametrize(
    ("start_s", "known"),
    [(1e8, True), (T_S[8] - 30, False), (T_S[0] + 30, False)],
    ids=["before the span", "within the last samples", "within the first"],
)
def test_a_start_time_that_was_scraped_late_is_that_of_samples_since_then_alone(
    start_s: float, known: bool
) -> None:
    """The metric was added when the service had run for long: samples before its start are of a process unknown."""
    late = Series((("pod", "a"),), T_S[9:], np.array([start_s]))
    (one,) = cut_lives((series(5e7, pod="a"),), (late,))
    assert one.known is known


@pytest.mark.parametrize("again_s", [None, 40 * 60.0])
def test_two_restarts_while_start_times_were_not_scraped_are_not_one(again_s: float | None) -> None:
    """Three hours of samples, of which two are without start times; what the next one tells is taken from it."""
    t_s = 1e9 + np.arange(180.0) * 60
    scraped = (t_s < t_s[30]) | (t_s > t_s[150])
    starts = np.where(t_s < t_s[30], 1e8, t_s[30] + 60 if again_s is None else t_s[30] + again_s)
    found = Series((("pod", "a"),), t_s[scraped], starts[scraped])
    (one,) = cut_lives((Series((("pod", "a"),), t_s, np.full(180, 5e7)),), (found,))
    assert one.restarts == 1
    assert one.known is (again_s is None)
    if one.known:
        assert np.flatnonzero(np.diff(one.life))[0] <= 41


def test_start_times_of_several_containers_of_a_pod_are_known_by_name_only() -> None:
    """The first by name may be that of the pause container, which outlives every restart of the service."""
    pause, shop = (
        series(1e8, pod="a", container="POD"),
        series([1e8] * 4 + [1e9 + 200] * 6, pod="a", container="shop"),
    )
    (one,) = cut_lives((series(5e7, pod="a"),), (pause, shop))
    assert not one.known
    (named,) = cut_lives((series(5e7, pod="a", container="shop", job="x"),), (pause, shop))
    assert (named.known, named.restarts) == (True, 1)
    (alike,) = cut_lives((series(5e7, pod="a"),), (pause, series(1e8, pod="a", container="shop")))
    assert alike.known
