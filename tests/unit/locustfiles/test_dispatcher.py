from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from locustfiles.arm_queue import ArmQueue
from locustfiles.clock import RunClock
from locustfiles.dispatcher import TICK_S, Dispatcher
from locustfiles.recorder import ArmRecorder
from locustfiles.schedule import PlannedRequest
from locustfiles.timetable import Timetable

if TYPE_CHECKING:
    from .conftest import ScriptedClock

ReadRows = Callable[[Path], list[dict[str, str]]]

RATE = 20
LOAD_S = 10


class Rehearsal:
    """Two arms, and users that act while the dispatcher sleeps."""

    def __init__(self, clock: ScriptedClock, directory: Path) -> None:
        self.clock = clock
        self.sent: list[tuple[str, int, float]] = []
        self.slept: list[float] = []
        self.answer_s = 0.004
        self.frozen: set[str] = set()
        self.stall: dict[float, float] = {}
        """At the first sleep after the key, seconds, the machine stands still for the value."""
        self.in_flight: list[tuple[float, ArmQueue, PlannedRequest, float]] = []
        self.directory = directory
        self.queues = {arm: self._queue(arm) for arm in ("leaky", "fixed")}

    def _queue(self, arm: str) -> ArmQueue:
        directory = self.directory / arm
        directory.mkdir()
        recorder = ArmRecorder(arm, directory, RunClock(0.0, monotonic_s=self.clock.now))
        recorder.begin(Timetable(0, 0, LOAD_S))
        return ArmQueue(recorder, 1.0, self.clock.now)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        for arm, queue in self.queues.items():
            while arm not in self.frozen and len(queue):
                request = queue.take()
                queue.recorder.sent(self.clock.t_s)
                self.sent.append((arm, request.index, self.clock.t_s - request.planned_s))
                self.in_flight.append((self.clock.t_s + self.answer_s, queue, request, self.clock.t_s))
        until_s = self.clock.t_s + seconds
        for due_s in [due_s for due_s in self.stall if due_s <= until_s]:
            until_s += self.stall.pop(due_s)
        for ended_s, queue, request, sent_s in [flight for flight in self.in_flight if flight[0] <= until_s]:
            self.clock.t_s = max(self.clock.t_s, ended_s)
            queue.recorder.ended(self.clock.t_s, request.planned_s, sent_s, None)
        self.in_flight = [flight for flight in self.in_flight if flight[0] > until_s]
        self.clock.t_s = until_s

    def run(self, requests: Iterable[PlannedRequest]) -> None:
        dispatcher = Dispatcher(tuple(self.queues.values()), self.clock.now, self.sleep)
        dispatcher.run(requests, end_s=float(LOAD_S), drain_s=7.0)
        for queue in self.queues.values():
            queue.clear()
            queue.recorder.close(self.clock.now())


@pytest.fixture
def rehearsal(clock: ScriptedClock, tmp_path: Path) -> Rehearsal:
    """Return a rehearsal with two arms that answer."""
    return Rehearsal(clock, tmp_path)


def _requests() -> list[PlannedRequest]:
    return [
        PlannedRequest(index, (index + 0.5) / RATE, "/api/orders-000", b"{}")
        for index in range(RATE * LOAD_S)
    ]


def _total(rows: list[dict[str, str]], column: str) -> int:
    return sum(int(row[column]) for row in rows)


def test_each_request_goes_to_every_arm_at_its_planned_start(rehearsal: Rehearsal) -> None:
    """Both arms get all requests, at the planned start, never before."""
    rehearsal.run(_requests())
    for arm in rehearsal.queues:
        assert [index for name, index, _ in rehearsal.sent if name == arm] == list(range(RATE * LOAD_S))
    assert all(0 <= late_s < 1e-9 for _, _, late_s in rehearsal.sent)


def test_arm_order_alternates(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each arm is first at every second request."""
    offered: list[tuple[ArmQueue, int]] = []
    offer = ArmQueue.offer

    def watched(queue: ArmQueue, request: PlannedRequest) -> None:
        offered.append((queue, request.index))
        offer(queue, request)

    monkeypatch.setattr(ArmQueue, "offer", watched)
    rehearsal.run(_requests())
    leaky, fixed = rehearsal.queues.values()
    assert [queue for queue, _ in offered[:6]] == [leaky, fixed, fixed, leaky, leaky, fixed]
    assert [index for _, index in offered[:6]] == [0, 0, 1, 1, 2, 2]


def test_a_frozen_arm_does_not_disturb_the_other(rehearsal: Rehearsal, read_rows: ReadRows) -> None:
    """The arm that takes nothing misses everything and holds no backlog; the other one misses nothing."""
    rehearsal.frozen = {"leaky"}
    rehearsal.run(_requests())
    leaky, fixed = (read_rows(rehearsal.directory / arm) for arm in ("leaky", "fixed"))
    assert (_total(leaky, "planned"), _total(leaky, "missed"), _total(leaky, "sent")) == (200, 200, 0)
    assert (_total(fixed, "planned"), _total(fixed, "missed"), _total(fixed, "ok")) == (200, 0, 200)
    assert [int(row["missed"]) for row in leaky[2:10]] == [RATE] * 8
    assert {row["latency_max_ms"] for row in fixed[:10]} == {"4.000"}


def test_a_thawed_arm_gets_only_what_is_in_time(rehearsal: Rehearsal) -> None:
    """After a freeze the arm continues with requests of the last second, not with the first it did not get."""
    rehearsal.frozen = {"leaky"}
    requests = _requests()

    def thaw_at_five() -> Iterable[PlannedRequest]:
        for request in requests:
            if request.planned_s > 5.0:
                rehearsal.frozen = set()
            yield request

    rehearsal.run(thaw_at_five())
    leaky = [(index, late_s) for arm, index, late_s in rehearsal.sent if arm == "leaky"]
    assert 0.9 < leaky[0][1] <= 1.0
    assert max(late_s for _, late_s in leaky) <= 1.0
    assert [index for index, _ in leaky] == list(range(leaky[0][0], 200))


def test_a_dispatcher_that_falls_behind_says_so(rehearsal: Rehearsal, read_rows: ReadRows) -> None:
    """A machine that stands still for three seconds shows as latency and misses, in every arm, and rows stay whole."""
    rehearsal.stall = {4.0: 3.0}
    rehearsal.run(_requests())
    for arm in rehearsal.queues:
        rows = read_rows(rehearsal.directory / arm)
        assert [int(row["t_s"]) for row in rows] == list(range(len(rows)))
        assert {int(row["planned"]) for row in rows[:LOAD_S]} == {RATE}
        assert _total(rows, "planned") == _total(rows, "sent") + _total(rows, "missed")
        assert _total(rows, "sent") == _total(rows, "ok")
        assert 38 <= _total(rows, "missed") <= 41
        assert max(float(row["latency_max_ms"] or 0) for row in rows) > 900
        assert [row["missed"] for row in rows[:4]] == ["0"] * 4


def test_drain_ends_with_the_last_answer(rehearsal: Rehearsal, clock: ScriptedClock) -> None:
    """After the load it waits for what is in flight, and no longer."""
    rehearsal.answer_s = 2.0
    rehearsal.run(_requests())
    assert LOAD_S + 1.9 < clock.t_s < LOAD_S + 2.2
    assert not rehearsal.in_flight


def test_drain_is_bounded(rehearsal: Rehearsal, clock: ScriptedClock) -> None:
    """A request that never ends does not keep the drain from ending."""
    rehearsal.answer_s = 1e9
    rehearsal.run(_requests())
    assert clock.t_s == pytest.approx(LOAD_S + 7.0)


def test_it_wakes_up_while_nothing_is_planned(rehearsal: Rehearsal, read_rows: ReadRows) -> None:
    """At a low rate seconds are written and misses counted all the same."""
    rehearsal.frozen = {"leaky"}
    rehearsal.run([PlannedRequest(0, 0.5, "/api/orders-000", b"{}"), PlannedRequest(1, 9.5, "/", b"{}")])
    assert max(rehearsal.slept) == TICK_S
    assert [row["missed"] for row in read_rows(rehearsal.directory / "leaky")[:3]] == ["0", "1", "0"]
