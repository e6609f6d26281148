from __future__ import annotations

import gc
from collections.abc import Iterable

from locustfiles.counts import Second
from locustfiles.master.ledger import CompleteSecond, Ledger
from locustfiles.messages import SecondReport

ARMS = ("leaky", "fixed")
STARTS_S = [5 + index / 10 for index in range(30)]
"""Ten requests a second, from 5 s to 8 s."""


def _ledger(*senders: str, starts_s: Iterable[float] = STARTS_S) -> Ledger:
    return Ledger(starts_s, 5, ARMS, senders)


def _report(
    ledger: Ledger, sender: str, second: int, *, sent: int, missed: int = 0, last: bool = False
) -> None:
    arms = {arm: Second(sent=sent, missed=missed, ok=sent) for arm in ARMS}
    ledger.report(sender, SecondReport(second, arms, last))


def _seconds_alive() -> int:
    return sum(isinstance(one, Second) for one in gc.get_objects())


def _counts(rows: Iterable[CompleteSecond], arm: str = "leaky") -> list[tuple[int, int, int, int]]:
    """Return second, planned, sent and missed of each row."""
    return [(row.second, row.planned[arm], row.arms[arm].sent, row.arms[arm].missed) for row in rows]


def test_a_second_waits_for_every_worker() -> None:
    """A second is complete when all workers have reported it; then it is yielded once, with their sum."""
    ledger = _ledger("one", "two")
    _report(ledger, "one", 5, sent=5)
    _report(ledger, "one", 6, sent=5)
    assert _counts(ledger.complete()) == []
    _report(ledger, "two", 5, sent=5)
    assert _counts(ledger.complete()) == [(5, 10, 10, 0)]
    assert _counts(ledger.complete()) == []
    _report(ledger, "two", 6, sent=4, missed=1)
    assert _counts(ledger.complete(), "fixed") == [(6, 10, 9, 1)]


def test_the_end_of_a_load() -> None:
    """After the last report of every worker all seconds are there, up to the last second of any of them."""
    ledger = _ledger("one", "two")
    for second in (5, 6, 7):
        _report(ledger, "one", second, sent=5)
        _report(ledger, "two", second, sent=5, last=second == 7)
    assert list(ledger.sending) == ["one"]
    ledger.report("one", SecondReport(8, {arm: Second(ok=1) for arm in ARMS}, last=True))
    assert not ledger.sending
    assert _counts(ledger.complete()) == [(5, 10, 10, 0), (6, 10, 10, 0), (7, 10, 10, 0), (8, 0, 0, 0)]


def test_a_worker_that_is_gone() -> None:
    """The rest of its share is missed, second by second, at every arm; the others are not held up."""
    ledger = _ledger("one", "two")
    _report(ledger, "one", 5, sent=5)
    _report(ledger, "two", 5, sent=3)
    ledger.gone("two")
    _report(ledger, "one", 6, sent=5)
    _report(ledger, "one", 7, sent=5, last=True)
    rows = list(ledger.complete())
    for arm in ARMS:
        assert _counts(rows, arm) == [(5, 10, 8, 2), (6, 10, 5, 5), (7, 10, 5, 5)]


def test_a_worker_that_is_gone_after_its_last_report() -> None:
    """Nothing of it is missed: its connection may be lost while that report is read."""
    ledger = _ledger("one")
    for second in (5, 6, 7):
        _report(ledger, "one", second, sent=10, last=second == 7)
    ledger.gone("one")
    assert [missed for *_, missed in _counts(ledger.complete())] == [0, 0, 0]


def test_what_a_sender_reports_after_it_is_gone() -> None:
    """It does not count: those requests are missed already, and planned stays the sum of sent and missed."""
    ledger = _ledger("one", "two")
    ledger.gone("two")
    _report(ledger, "two", 5, sent=5)
    _report(ledger, "one", 5, sent=5)
    assert _counts(ledger.complete()) == [(5, 10, 5, 5)]


def test_what_waits_over_a_second_is_not_lost() -> None:
    """Requests planned in one second and sent in the next are neither missed nor counted twice."""
    ledger = _ledger("one")
    _report(ledger, "one", 5, sent=7)
    _report(ledger, "one", 6, sent=10)
    _report(ledger, "one", 7, sent=13, last=True)
    assert _counts(ledger.complete()) == [(5, 10, 7, 0), (6, 10, 10, 0), (7, 10, 13, 0)]


def test_a_load_that_is_stopped() -> None:
    """From the instant of the stop on nothing is planned."""
    ledger = _ledger("one")
    _report(ledger, "one", 5, sent=10)
    assert _counts(ledger.complete()) == [(5, 10, 10, 0)]
    ledger.stop(6.45)
    _report(ledger, "one", 6, sent=5, last=True)
    assert _counts(ledger.complete()) == [(6, 5, 5, 0)]


def test_a_load_that_is_stopped_before_its_start() -> None:
    """It has no row."""
    ledger = _ledger("one")
    ledger.stop(4.0)
    ledger.report("one", SecondReport(5, {}, last=True))
    assert _counts(ledger.complete()) == []


def test_it_holds_only_what_is_open() -> None:
    """After minutes of rows it holds no second, and it walks the plan no further than its rows."""
    before = _seconds_alive()
    walked: list[float] = []

    def starts() -> Iterable[float]:
        for index in range(3600):
            walked.append(5 + index / 10)
            yield walked[-1]

    ledger = _ledger("one", starts_s=starts())
    for second in range(5, 305):
        _report(ledger, "one", second, sent=10)
        (row,) = ledger.complete()
        assert row.planned == {"leaky": 10, "fixed": 10}
    assert _seconds_alive() <= before + len(ARMS)  # the last row
    assert walked[-1] <= 305.0


def test_a_report_of_an_earlier_load() -> None:
    """A worker that did not receive the end of a load ends nothing of the next one."""
    ledger = _ledger("one")
    _report(ledger, "one", 4, sent=5, last=True)
    assert ledger.sending == ("one",)
    _report(ledger, "one", 5, sent=10)
    assert _counts(ledger.complete()) == [(5, 10, 10, 0)]


def test_a_load_without_a_plan() -> None:
    """Of a custom load each arm counts as planned what it was sent; nothing is missed when its worker is gone."""
    ledger = Ledger(None, 5, ARMS, ("one", "two"))
    ledger.report("one", SecondReport(5, {"leaky": Second(sent=4, ok=4)}, last=False))
    ledger.report("two", SecondReport(5, {"fixed": Second(sent=3, ok=3)}, last=False))
    ledger.report("one", SecondReport(6, {"leaky": Second(sent=2, ok=2)}, last=True))
    ledger.gone("two")
    seconds = list(ledger.complete())
    assert _counts(seconds) == [(5, 4, 4, 0), (6, 2, 2, 0)]
    assert _counts(seconds, "fixed") == [(5, 3, 3, 0), (6, 0, 0, 0)]
