"""Lives of a series by start times, and what looks like several processes behind one address."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.prometheus.answers import Series
from analysis.prometheus.lives import cut_lives, same_starts, shares_process

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
