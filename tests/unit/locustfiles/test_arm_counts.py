from __future__ import annotations

import pytest

from locustfiles.counts import ArmCounter, quantiles_us
from soak.contract import FAILURE_KINDS


@pytest.fixture
def counter() -> ArmCounter:
    """Return a counter of an arm to which nothing happened."""
    return ArmCounter()


def test_each_thing_counts_in_its_own_second(counter: ArmCounter) -> None:
    """A request sent in one second and answered in the next is in both; its times are in the last."""
    counter.sent(9.1)
    counter.ended(10.0, planned_s=8.9, sent_s=9.1, failure=None)
    nine, ten = counter.take(9), counter.take(10)
    assert (nine.sent, nine.ok, ten.sent, ten.ok) == (1, 0, 0, 1)
    assert nine.timings.latency.get_total_count() == 0
    assert quantiles_us(ten.timings.latency, (1.0,)) == pytest.approx((1_100_000,), rel=1e-3)
    assert quantiles_us(ten.timings.service, (1.0,)) == pytest.approx((900_000,), rel=1e-3)


def test_every_kind_of_failure(counter: ArmCounter) -> None:
    """What failed counts by its kind, and its times count like those of an answer."""
    for kind in (*FAILURE_KINDS, None):
        counter.sent(5.0)
        counter.ended(5.5, 5.0, 5.0, kind)
    counter.missed(5.9)
    second = counter.take(5)
    assert second.failed == dict.fromkeys(FAILURE_KINDS, 1)
    assert (second.sent, second.ok, second.missed) == (8, 1, 1)
    assert second.timings.latency.get_total_count() == 8


def test_in_flight(counter: ArmCounter) -> None:
    """What was sent and has not ended is in flight."""
    counter.sent(5.0)
    counter.sent(5.1)
    counter.ended(5.2, 5.0, 5.0, "reset")
    assert counter.in_flight == 1


def test_it_holds_only_what_is_not_taken(counter: ArmCounter) -> None:
    """A second that was taken is let go: after an hour it holds none."""
    for second in range(3600):
        counter.sent(second)
        assert counter.take(second).sent == 1
    assert not counter._seconds
    assert counter.take(7).sent == 0
