"""Requests: counters that are set back go on, and what is not known stays unknown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analysis.prometheus.answers import Series
from analysis.prometheus.attached import known_share, request_rows
from analysis.prometheus.queries import Query
from analysis.prometheus.requests import answered, check_counters, requests_of
from analysis.recording.model import Phase
from soak.errors import RecordingError

COUNTER = Query("http_requests_total", "--requests-query")
SUM = Query("sum(http_requests_total)", "--requests-query")
RATE = Query("sum(rate(http_requests_total[5m]))", "--requests-query")
T_S = np.arange(6.0) * 60


def series(
    value: list[float], t_s: np.ndarray[tuple[int], np.dtype[np.float64]] = T_S, **labels: str
) -> Series:
    return Series(tuple(sorted(labels.items())), t_s, np.array(value, dtype=float))


def test_a_counter_that_is_set_back_goes_on() -> None:
    """What it has after a start was answered since then; it never goes back."""
    found = answered((series([100, 160, 220, 30, 90, 150]),), COUNTER, T_S)
    assert found.tolist() == [0, 60, 120, 150, 210, 270]


def test_a_sum_of_counters_that_falls_adds_nothing() -> None:
    """One of its processes was set back; the others' counts are no new requests."""
    found = answered((series([1000, 1060, 520, 580, 640, 700]),), SUM, T_S)
    assert found.tolist() == [0, 60, 60, 120, 180, 240]


def test_requests_per_second_are_added_up() -> None:
    assert answered((series([2, 2, 4, 4, 0, 0]),), RATE, T_S).tolist() == [0, 120, 300, 540, 660, 660]


def test_all_series_of_a_process_are_added() -> None:
    parts = (series([0, 10, 20, 30, 40, 50], code="200"), series([5, 6, 7, 8, 9, 10], code="500"))
    assert answered(parts, COUNTER, T_S).tolist() == [0, 11, 22, 33, 44, 55]


def test_a_gap_without_requests_is_not_known() -> None:
    """The samples before and after it are."""
    t_s = np.array([0.0, 60, 120, 7200, 7260])
    found = answered((series([0, 1, 2, 50, 51], t_s),), COUNTER, np.array([60.0, 3600, 7230]))
    assert np.isfinite(found).tolist() == [True, False, True]


def test_times_beyond_the_series_are_not_known() -> None:
    found = answered((series([0, 1, 2, 3, 4, 5]),), COUNTER, np.array([-5000.0, 30, 5000]))
    assert np.isfinite(found).tolist() == [False, True, False]


def test_requests_go_on_until_the_next_samples() -> None:
    """As in the step before, for two steps: memory is read at later times than the requests. Later nothing is known."""
    times = np.array([-180.0, -90, 300, 330, 360, 420, 480, 600])
    found = answered((series([0, 60, 120, 180, 240, 300]),), COUNTER, times)
    assert found[1:6].tolist() == [0, 300, 330, 360, 420]
    assert np.isnan(found[[0, 6, 7]]).all()


@pytest.mark.parametrize("query", [COUNTER, SUM])
def test_what_falls_again_and_again_is_no_counter(query: Query) -> None:
    gauge = series(list(np.random.default_rng(1).uniform(0, 100, 200)), np.arange(200.0))
    with pytest.raises(RecordingError, match="--requests-query: its values fall repeatedly"):
        check_counters((gauge,), query)
    check_counters((gauge,), RATE)
    check_counters((series([1, 2, 0, 1, 2, 3]),), query)


MEMORY = series([0] * 6, job="kubelet", pod="a", instance="node", service="kubelet")


@pytest.mark.parametrize(
    ("requests", "places"),
    [
        ([{"pod": "a", "job": "shop", "code": "200"}, {"pod": "b", "job": "shop"}], [0]),
        ([{}], [0]),
        ([{"job": "shop"}], [0]),
        ([{"service": "kubelet"}, {"service": "cart"}], [0]),
        ([{"service": "shop"}, {"service": "cart"}], []),
        ([{"instance": "node", "job": "other"}], []),
        ([{"pod": "a", "service": "kubelet"}, {"pod": "a", "service": "cart"}], [0]),
    ],
)
def test_requests_are_those_of_the_same_process(requests: list[dict[str, str]], places: list[int]) -> None:
    """By pod or instance; a sum without either is everybody's, unless it is unclear which of several."""
    given = tuple(series([n] * 6, T_S, **labels) for n, labels in enumerate(requests))
    assert [int(one.value[0]) for one in requests_of(MEMORY, given)] == places


@pytest.mark.parametrize(
    "values", [[5000, 5100, 2000, 5300, 5400, 5500], [5000, 5100, 2000, 2050, 5350, 5450]]
)
def test_a_counter_that_is_not_read_for_a_while_is_not_counted_again(values: list[float]) -> None:
    """The sum rises by all that it had: what was answered meanwhile is not known, and is a step or two."""
    found = answered((series(values),), SUM, T_S)
    assert found[-1] - found[0] <= 300


@pytest.mark.parametrize("scrape_s", [1.0, 5.0, 15.0, 30.0])
@pytest.mark.parametrize("late", [0, 1])
def test_the_requests_of_a_load_are_known_to_its_end(scrape_s: float, late: int) -> None:
    """The last scrapes may be missing: those of an attachment are read as soon as it ends."""
    load = Phase("load", 100.0, 1003.0)
    times = np.arange(0.0, load.end_s - late * scrape_s, scrape_s)
    counted = replace(series(list(times)), t_s=1e9 + times)
    rows = request_rows((counted,), COUNTER, 1e9, load)
    assert known_share(rows) == 1
    assert rows["ok"].sum() == pytest.approx(load.end_s - load.start_s, abs=2 * scrape_s)
