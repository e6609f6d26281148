from __future__ import annotations

from collections.abc import Callable

import pytest

from locustfiles.schedule.phases import Timetable
from soak.contract import DRAIN, LOAD, WARMUP, Traffic


@pytest.mark.parametrize(
    ("start_s", "timetable"),
    [(5.0, Timetable(5, 15, 35)), (5.4, Timetable(5, 15, 36)), (5.999, Timetable(5, 15, 36))],
)
def test_the_load_owns_every_second_it_touches(
    make_traffic: Callable[..., Traffic], start_s: float, timetable: Timetable
) -> None:
    """A start between two whole seconds takes no second from the load."""
    assert Timetable.of(make_traffic(), start_s) == timetable


def test_phases() -> None:
    """A second has the phase of the timetable."""
    timetable = Timetable(5, 15, 35)
    assert [timetable.phase(second) for second in (5, 14, 15, 34, 35, 99)] == [
        WARMUP, WARMUP, LOAD, LOAD, DRAIN, DRAIN,
    ]  # fmt: skip


def test_the_intervals_of_a_long_load_are_longer(make_traffic: Callable[..., Traffic]) -> None:
    """Days have about as many histograms as eight hours."""
    timetable = Timetable.of(make_traffic(load_s=72 * 3600.0), 5.0)
    starts = {timetable.interval_s(second) for second in range(timetable.load_s, timetable.drain_s)}
    assert len(starts) == 2880


def test_no_interval_spans_two_phases() -> None:
    """Intervals take ten seconds and begin anew with each phase."""
    timetable = Timetable(5, 18, 40)
    starts = [timetable.interval_s(second) for second in range(5, 53)]
    assert starts == [5] * 10 + [15] * 3 + [18] * 10 + [28] * 10 + [38] * 2 + [40] * 10 + [50] * 3
