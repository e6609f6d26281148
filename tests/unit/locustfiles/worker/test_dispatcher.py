from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest

from locustfiles.counts import Second, quantiles_us
from locustfiles.schedule.requests import PlannedRequest
from locustfiles.worker.dispatcher import MOST_IN_A_ROW, TICK_S, Dispatcher
from locustfiles.worker.queue import ArmQueue

if TYPE_CHECKING:
    from tests.unit.locustfiles.conftest import ScriptedClock

RATE = 20
LOAD_S = 10


class Rehearsal:
    """Two arms, and users that act while the dispatcher sleeps."""

    def __init__(self, clock: ScriptedClock) -> None:
        self.clock = clock
        self.sent: list[tuple[str, int, float]] = []
        self.slept: list[float] = []
        self.answer_s = 0.004
        self.frozen: set[str] = set()
        self.stall: dict[float, float] = {}
        """At the first sleep after the key, seconds, the machine stands still for the value."""
        self.in_flight: list[tuple[float, ArmQueue, PlannedRequest, float]] = []
        self.queues = {arm: ArmQueue(1.0, clock.now) for arm in ("leaky", "fixed")}
        self.dispatcher = Dispatcher(tuple(self.queues.values()), clock.now, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        for arm, queue in self.queues.items():
            while arm not in self.frozen and len(queue):
                request = queue.take()
                queue.counter.sent(self.clock.t_s, "orders")
                self.sent.append((arm, request.index, self.clock.t_s - request.planned_s))
                self.in_flight.append((self.clock.t_s + self.answer_s, queue, request, self.clock.t_s))
        until_s = self.clock.t_s + seconds
        for due_s in [due_s for due_s in self.stall if due_s <= until_s]:
            until_s += self.stall.pop(due_s)
        for ended_s, queue, request, sent_s in [flight for flight in self.in_flight if flight[0] <= until_s]:
            self.clock.t_s = max(self.clock.t_s, ended_s)
            queue.counter.ended(self.clock.t_s, request.planned_s, sent_s, None)
        self.in_flight = [flight for flight in self.in_flight if flight[0] > until_s]
        self.clock.t_s = until_s

    def run(self, requests: Iterable[PlannedRequest]) -> None:
        self.dispatcher.run(requests, end_s=float(LOAD_S), drain_s=7.0)
        for queue in self.queues.values():
            queue.clear()

    def seconds(self, arm: str) -> list[Second]:
        """Take what happened to an arm, up to now."""
        return [self.queues[arm].counter.take(second) for second in range(int(self.clock.t_s) + 1)]


@pytest.fixture
def rehearsal(clock: ScriptedClock) -> Rehearsal:
    """Return a rehearsal with two arms that answer."""
    return Rehearsal(clock)


def _requests() -> list[PlannedRequest]:
    return [
        PlannedRequest(index, (index + 0.5) / RATE, "/api/orders-000", b"{}")
        for index in range(RATE * LOAD_S)
    ]


def _slowest_ms(second: Second) -> float:
    return max(quantiles_us(second.timings.latency, (1.0,)), default=0) / 1000


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


def test_a_frozen_arm_does_not_disturb_the_other(rehearsal: Rehearsal) -> None:
    """The arm that takes nothing misses everything and holds no backlog; the other one misses nothing."""
    rehearsal.frozen = {"leaky"}
    rehearsal.run(_requests())
    leaky, fixed = (rehearsal.seconds(arm) for arm in ("leaky", "fixed"))
    assert (sum(second.missed for second in leaky), sum(second.sent for second in leaky)) == (200, 0)
    assert (sum(second.missed for second in fixed), sum(second.ok for second in fixed)) == (0, 200)
    assert [second.missed for second in leaky[2:10]] == [RATE] * 8
    assert [_slowest_ms(second) for second in fixed[:10]] == pytest.approx([4.0] * 10, rel=1e-3)


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


def test_a_dispatcher_that_falls_behind_is_visible(rehearsal: Rehearsal) -> None:
    """A machine that stands still for three seconds shows as latency and misses, in every arm."""
    rehearsal.stall = {4.0: 3.0}
    rehearsal.run(_requests())
    for arm in rehearsal.queues:
        seconds = rehearsal.seconds(arm)
        sent, missed = sum(second.sent for second in seconds), sum(second.missed for second in seconds)
        assert sent + missed == RATE * LOAD_S
        assert sent == sum(second.ok for second in seconds)
        assert 38 <= missed <= 41
        assert max(map(_slowest_ms, seconds)) > 900
        assert [second.missed for second in seconds[:4]] == [0] * 4


def test_a_load_that_is_stopped(rehearsal: Rehearsal, clock: ScriptedClock) -> None:
    """After a stop nothing planned from its instant on is sent, and the rest is drained as at the end."""
    rehearsal.answer_s = 0.5

    def stop_at_three() -> Iterable[PlannedRequest]:
        for request in _requests():
            if request.planned_s > 3.0:
                rehearsal.dispatcher.stop(3.2)
            yield request

    rehearsal.run(stop_at_three())
    for arm in rehearsal.queues:
        assert [index for name, index, _ in rehearsal.sent if name == arm] == list(range(64))
        assert sum(second.ok for second in rehearsal.seconds(arm)) == 64
    assert 3.5 < clock.t_s < 4.0


def test_a_stop_before_the_first_request(rehearsal: Rehearsal, clock: ScriptedClock) -> None:
    """A load that is stopped before it starts sends nothing and is over at once."""
    rehearsal.dispatcher.stop(0.0)
    rehearsal.run(_requests())
    assert not rehearsal.sent
    assert clock.t_s <= TICK_S


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


def test_it_wakes_up_while_nothing_is_planned(rehearsal: Rehearsal) -> None:
    """At a low rate misses are counted in their second all the same."""
    rehearsal.frozen = {"leaky"}
    rehearsal.run([PlannedRequest(0, 0.5, "/api/orders-000", b"{}"), PlannedRequest(1, 9.5, "/", b"{}")])
    assert max(rehearsal.slept) == TICK_S
    assert [second.missed for second in rehearsal.seconds("leaky")[:3]] == [0, 1, 0]


def test_what_is_due_at_once_is_offered_in_a_row(rehearsal: Rehearsal) -> None:
    """Requests of one instant take one sleep, but never more than MOST_IN_A_ROW without a turn of the users."""
    waiting: list[int] = []
    leaky = rehearsal.queues["leaky"]
    sleep = rehearsal.sleep

    def watched(seconds: float) -> None:
        waiting.append(len(leaky))
        sleep(seconds)

    rehearsal.dispatcher = Dispatcher(tuple(rehearsal.queues.values()), rehearsal.clock.now, watched)
    together = [PlannedRequest(index, 0.5, "/", b"{}") for index in range(2 * MOST_IN_A_ROW + 3)]
    rehearsal.run(together)
    assert [many for many in waiting if many] == [MOST_IN_A_ROW, MOST_IN_A_ROW, 3]
    assert len(rehearsal.sent) == 2 * len(together)
