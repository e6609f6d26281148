from __future__ import annotations

from collections import Counter

import pytest
from locust.rpc import Message

from locustfiles.counts import Second
from soak.contract import FAILURE_KINDS, REQUEST_COLUMNS, names


def _row(second: Second) -> dict[str, int | str]:
    columns = names(REQUEST_COLUMNS)
    return dict(zip(columns[columns.index("sent") :], second.cells(), strict=True))


def _second() -> Second:
    second = Second(sent=8, missed=7, ok=6, failed=Counter({"reset": 2}))
    second.timings.record(3000, 2500)
    return second


def test_a_second_in_which_nothing_happened() -> None:
    """Counts are 0; quantiles of no request are empty, never 0."""
    cells = _row(Second())
    assert {cells[name] for name in ("sent", "missed", "ok", *(f"failed_{k}" for k in FAILURE_KINDS))} == {0}
    assert {value for name, value in cells.items() if name.endswith("_ms")} == {""}


def test_each_count_has_its_column() -> None:
    """Counts and kinds of failure land in the columns of the contract."""
    second = Second(sent=8, missed=7, ok=6)
    for count, kind in enumerate(FAILURE_KINDS, start=20):
        second.failed[kind] = count
    cells = _row(second)
    assert (cells["sent"], cells["missed"], cells["ok"]) == (8, 7, 6)
    assert [cells[f"failed_{kind}"] for kind in FAILURE_KINDS] == list(range(20, 27))


def test_quantiles_are_milliseconds() -> None:
    """The quantiles of both times are there, in milliseconds with the three digits of the histogram."""
    second = Second()
    for latency_ms in range(1, 101):
        second.timings.record(latency_ms * 1000, 2500)
    cells = _row(second)
    found = [float(cells[f"latency_{q}_ms"]) for q in ("p50", "p90", "p99", "max")]
    assert found == pytest.approx([50, 90, 99, 100], rel=1e-3)
    assert [cells[f"service_{q}_ms"] for q in ("p50", "p90", "p99", "max")] == ["2.501"] * 4


def test_seconds_add_up() -> None:
    """The sum of two processes' seconds has the counts, failures and times of both."""
    total = _second()
    total.add(_second())
    assert (total.sent, total.missed, total.ok, total.failed) == (16, 14, 12, {"reset": 4})
    assert total.timings.latency.get_total_count() == 2


def test_it_survives_a_message() -> None:
    """A second that went through one of Locust's messages gives the same row."""
    message = Message("report", _second().pack(), "worker")
    assert _row(Second.unpack(Message.unserialize(message.serialize()).data)) == _row(_second())
