from __future__ import annotations

import gc
import random
from collections import Counter

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from locust.rpc import Message

from locustfiles.counts import ArmCounter, Second, Timings, new_histogram, quantiles_us
from soak.contract import FAILURE_KINDS, HISTOGRAM_HIGHEST_US, REQUEST_COLUMNS, names

SHARES = (0.5, 0.9, 0.99, 1.0)


def _timings(*latencies_us: int) -> Timings:
    made = Timings()
    for latency_us in latencies_us:
        made.record(latency_us, latency_us // 2)
    return made


@pytest.mark.parametrize("count", [1, 2, 99, 1000])
def test_quantiles_are_those_of_the_values(count: int) -> None:
    """The quantile q is the smallest value that a share q does not exceed, within the histogram's three digits."""
    draw = random.Random(count)
    values = [round(draw.lognormvariate(8, 2)) for _ in range(count)]
    expected = np.quantile(values, SHARES, method="inverted_cdf")
    assert quantiles_us(_timings(*values).latency, SHARES) == pytest.approx(expected, rel=1e-3, abs=1)


@pytest.mark.parametrize("parts", [1, 3])
def test_times_are_counted_as_the_library_counts_them(parts: int) -> None:
    """All at once or in parts, at the ends of the range and of its buckets: the histogram is the one of each value."""
    draw = random.Random(parts)
    ends = [2**bits + near for bits in range(26) for near in (-1, 0, 1)]
    values = [0, *ends, HISTOGRAM_HIGHEST_US, *(round(draw.lognormvariate(8, 2)) for _ in range(1000))]
    expected, made = new_histogram(), Timings()
    for number, value in enumerate(values):
        expected.record_value(value)
        made.record(value, value)
        if number % 400 == 0 and parts > 1:
            assert made.latency.get_total_count() == number + 1
    for found in (made.latency, made.service):
        assert found.encode() == expected.encode()
        assert (found.get_min_value(), found.get_max_value()) == (
            expected.get_min_value(),
            expected.get_max_value(),
        )


def test_no_values_have_no_quantiles() -> None:
    """Of nothing there is no quantile, not even 0."""
    assert quantiles_us(new_histogram(), SHARES) == ()


def test_what_is_beyond_the_range_is_counted() -> None:
    """A time above the highest value of the histogram is not lost."""
    timings = _timings(10 * HISTOGRAM_HIGHEST_US)
    assert timings.latency.get_total_count() == 1
    assert quantiles_us(timings.latency, (1.0,)) == pytest.approx((HISTOGRAM_HIGHEST_US,), rel=1e-3)


def test_a_histogram_is_freed_with_its_last_reference() -> None:
    """Histograms, also those that were packed, decoded on the way and added, leave no cycle for the collector."""
    packed = _second().timings.pack()
    gc.collect()
    gc.disable()
    try:
        before = _histograms()
        whole = Timings.unpack(packed)
        whole.add(_timings(70))
        assert _histograms() == before + len(packed)
        del whole
        assert _histograms() == before
    finally:
        gc.enable()


def _histograms() -> int:
    return sum(type(one) is HdrHistogram for one in gc.get_objects())  # a proxy is an instance, too


def test_packed_and_added_is_as_if_recorded_in_one_place() -> None:
    """Histograms that went through messages and were added have the counts of one that saw all values."""
    total = Timings()
    for part in (_timings(1000, 2000), _timings(), _timings(5_000_000)):
        total.add(Timings.unpack(part.pack()))
    whole = _timings(1000, 2000, 5_000_000)
    for ours, theirs in ((total.latency, whole.latency), (total.service, whole.service)):
        assert list(ours.counts) == list(theirs.counts)
        assert ours.get_total_count() == 3
        assert ours.get_max_value() == pytest.approx(theirs.get_max_value(), rel=1e-3)


def _row(second: Second) -> dict[str, int | str]:
    columns = names(REQUEST_COLUMNS)
    return dict(zip(columns[columns.index("sent") :], second.cells(), strict=True))


def _second() -> Second:
    second = Second(
        sent=8, missed=7, ok=6, failed=Counter({"reset": 2}), names=Counter({"list": 5, "add": 3})
    )
    second.timings.record(3000, 2500)
    second.timings.record_round_trip(700)
    second.opened, second.messages_sent, second.messages_received = 1, 3, 2
    return second


def test_a_second_in_which_nothing_happened() -> None:
    """Counts are 0; quantiles of no request are empty, never 0."""
    cells = _row(Second())
    assert {cells[name] for name in ("sent", "missed", "ok", *(f"failed_{k}" for k in FAILURE_KINDS))} == {0}
    assert {value for name, value in cells.items() if name.endswith(("_ms", "_name"))} == {""}


def test_each_count_has_its_column() -> None:
    """Counts and kinds of failure land in the columns of the contract."""
    second = Second(sent=8, missed=7, ok=6)
    for count, kind in enumerate(FAILURE_KINDS, start=20):
        second.failed[kind] = count
    cells = _row(second)
    assert (cells["sent"], cells["missed"], cells["ok"]) == (8, 7, 6)
    assert [cells[f"failed_{kind}"] for kind in FAILURE_KINDS] == list(range(20, 20 + len(FAILURE_KINDS)))


def test_quantiles_are_milliseconds() -> None:
    """The quantiles of both times are there, in milliseconds with the three digits of the histogram."""
    second = Second()
    for latency_ms in range(1, 101):
        second.timings.record(latency_ms * 1000, 2500)
    cells = _row(second)
    found = [float(cells[f"latency_{q}_ms"]) for q in ("p50", "p90", "p99", "max")]
    assert found == pytest.approx([50, 90, 99, 100], rel=1e-3)
    assert [cells[f"service_{q}_ms"] for q in ("p50", "p90", "p99", "max")] == ["2.501"] * 4


def test_messages_have_columns_of_their_own() -> None:
    """WebSockets opened, messages and round trips; without a round trip its quantiles are empty."""
    second = Second(opened=2, messages_sent=5, messages_received=4)
    cells = _row(second)
    assert (cells["opened"], cells["messages_sent"], cells["messages_received"]) == (2, 5, 4)
    assert cells["round_trip_p50_ms"] == cells["round_trip_max_ms"] == ""
    for took_us in (1000, 2000, 3000):
        second.timings.record_round_trip(took_us)
    assert [float(_row(second)[f"round_trip_{q}_ms"]) for q in ("p50", "max")] == pytest.approx(
        [2, 3], rel=1e-3
    )
    assert _row(second)["latency_p50_ms"] == ""


def test_seconds_add_up() -> None:
    """The sum of two processes' seconds has the counts, failures and times of both."""
    total = _second()
    total.add(_second())
    assert (total.sent, total.missed, total.ok, total.failed) == (16, 14, 12, {"reset": 4})
    assert _row(total)["sent_by_name"] == '{"add": 6, "list": 10}'
    assert (total.opened, total.messages_sent, total.messages_received) == (2, 6, 4)
    assert total.timings.latency.get_total_count() == 2
    assert total.timings.round_trip is not None
    assert total.timings.round_trip.get_total_count() == 2


def test_it_survives_a_message() -> None:
    """A second that went through one of Locust's messages gives the same row."""
    message = Message("report", _second().pack(), "worker")
    assert _row(Second.unpack(Message.unserialize(message.serialize()).data)) == _row(_second())


@pytest.fixture
def counter() -> ArmCounter:
    """Return a counter of an arm to which nothing happened."""
    return ArmCounter()


def test_each_thing_counts_in_its_own_second(counter: ArmCounter) -> None:
    """A request sent in one second and answered in the next is in both; its times are in the last."""
    counter.sent(9.1, "orders")
    counter.ended(10.0, planned_s=8.9, sent_s=9.1, failure=None)
    nine, ten = counter.take(9), counter.take(10)
    assert (nine.sent, nine.ok, ten.sent, ten.ok) == (1, 0, 0, 1)
    assert nine.timings.latency.get_total_count() == 0
    assert quantiles_us(ten.timings.latency, (1.0,)) == pytest.approx((1_100_000,), rel=1e-3)
    assert quantiles_us(ten.timings.service, (1.0,)) == pytest.approx((900_000,), rel=1e-3)


def test_a_stream_counts_when_it_ends_with_the_time_to_its_head(counter: ArmCounter) -> None:
    """The second of its head may be reported by then: nothing is counted in it any more."""
    counter.sent(9.1, "follow")
    counter.take(9)
    counter.ended(10.5, planned_s=9.0, sent_s=9.1, failure=None, answered_s=9.2)
    ten = counter.take(10)
    assert ten.ok == 1
    assert quantiles_us(ten.timings.latency, (1.0,)) == pytest.approx((200_000,), rel=1e-3)
    assert quantiles_us(ten.timings.service, (1.0,)) == pytest.approx((100_000,), rel=1e-3)


def test_a_websocket_counts_when_it_opens_and_when_it_ends(counter: ArmCounter) -> None:
    """Its times are those of the opening; it is in flight until its end, and its messages count in their seconds."""
    counter.sent(9.1, "chat")
    counter.opened(9.3, planned_s=9.0, sent_s=9.1)
    counter.message_sent(10.1)
    counter.message_received(11.1, 10.1)
    counter.message_received(11.2, None)
    assert counter.in_flight == 1
    counter.closed(12.0, "reset")
    assert counter.in_flight == 0
    nine, ten, eleven, twelve = (counter.take(second) for second in (9, 10, 11, 12))
    assert (nine.sent, nine.opened, nine.ok, nine.names) == (1, 1, 0, {"chat": 1})
    assert quantiles_us(nine.timings.latency, (1.0,)) == pytest.approx((300_000,), rel=1e-3)
    assert (ten.messages_sent, eleven.messages_received) == (1, 2)
    assert eleven.timings.round_trip is not None
    assert eleven.timings.round_trip.get_total_count() == 1
    assert (twelve.failed, twelve.timings.latency.get_total_count()) == ({"reset": 1}, 0)


def test_every_kind_of_failure(counter: ArmCounter) -> None:
    """What failed counts by its kind, and its times count like those of an answer."""
    for kind in (*FAILURE_KINDS, None):
        counter.sent(5.0, "orders")
        counter.ended(5.5, 5.0, 5.0, kind)
    counter.missed(5.9)
    second = counter.take(5)
    assert second.failed == dict.fromkeys(FAILURE_KINDS, 1)
    assert (second.sent, second.ok, second.missed) == (len(FAILURE_KINDS) + 1, 1, 1)
    assert second.timings.latency.get_total_count() == second.sent


def test_a_bad_client_is_no_failure_and_has_no_time(counter: ArmCounter) -> None:
    """Its request is sent under its name and ends well; its times are not the service's, and nobody waits for it."""
    counter.sent_badly(5.0, "abort")
    assert counter.in_flight == 0
    counter.ended_badly(5.5, None)
    second = counter.take(5)
    assert (second.sent, second.ok, second.failed, second.names) == (1, 1, {}, {"abort": 1})
    assert second.timings.latency.get_total_count() == 0


def test_in_flight(counter: ArmCounter) -> None:
    """What was sent and has not ended is in flight."""
    counter.sent(5.0, "orders")
    counter.sent(5.1, "orders")
    counter.ended(5.2, 5.0, 5.0, "reset")
    assert counter.in_flight == 1


def test_it_holds_only_what_is_not_taken(counter: ArmCounter) -> None:
    """A second that was taken is dropped: after an hour none is held."""

    def alive() -> int:
        return sum(isinstance(one, Second) for one in gc.get_objects())

    before = alive()
    for second in range(3600):
        counter.sent(second, "orders")
        assert counter.take(second).sent == 1
    assert alive() <= before
    assert counter.take(7).sent == 0
