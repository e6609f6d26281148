from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import gevent
import pytest

from locustfiles.schedule.requests import BAD_CLIENTS, USERS, WEBSOCKETS, PlannedRequest
from locustfiles.worker.queue import ArmQueue

if TYPE_CHECKING:
    from tests.unit.locustfiles.conftest import ScriptedClock


def _request(index: int, planned_s: float) -> PlannedRequest:
    return PlannedRequest(index, planned_s, "/api/orders-000", b"{}")


@pytest.fixture
def queue(clock: ScriptedClock) -> ArmQueue:
    """Return the queue of an arm that may be one second late."""
    return ArmQueue(1.0, clock.now)


def test_first_come_first_served(queue: ArmQueue, clock: ScriptedClock) -> None:
    """Requests that are in time come out in their order, up to the full lateness."""
    queue.offer(_request(0, 0.0))
    queue.offer(_request(1, 0.5))
    clock.t_s = 1.0
    assert [queue.take().index, queue.take().index] == [0, 1]


def test_what_is_late_is_never_handed_out(queue: ArmQueue, clock: ScriptedClock) -> None:
    """A user that comes late gets the first request that is still in time; the others are missed, not sent."""
    for index in range(4):
        queue.offer(_request(index, float(index)))
    clock.t_s = 3.5
    assert queue.take().index == 3
    assert queue.counter.take(3).missed == 3


def test_expire_bounds_the_backlog(queue: ArmQueue, clock: ScriptedClock) -> None:
    """Without any user the queue never holds more than rate times max_lateness_s."""
    longest = 0
    for index in range(1000):
        clock.t_s = index / 100
        queue.expire()
        queue.offer(_request(index, clock.t_s))
        longest = max(longest, len(queue))
    assert longest == 101
    queue.clear()
    assert sum(queue.counter.take(second).missed for second in range(10)) == 1000


def test_a_waiting_user_gets_the_next_request(queue: ArmQueue) -> None:
    """A user that waits is woken by an offer."""
    user = gevent.spawn(queue.take)
    gevent.sleep(0)
    queue.offer(_request(0, 0.0))
    assert user.get(timeout=5).index == 0


def test_expire_between_offer_and_user(queue: ArmQueue, clock: ScriptedClock) -> None:
    """A request that expires before the woken user runs is not handed out; the user waits for the next."""
    user = gevent.spawn(queue.take)
    gevent.sleep(0)
    queue.offer(_request(0, 0.0))
    clock.t_s = 2.0
    queue.expire()
    gevent.sleep(0)
    queue.offer(_request(1, 2.0))
    assert user.get(timeout=5).index == 1


def test_idle(queue: ArmQueue) -> None:
    """An arm is idle when nothing waits and nothing is in flight."""
    assert queue.idle
    queue.offer(_request(0, 0.0))
    assert not queue.idle
    request = queue.take()
    queue.counter.sent(0.0, "orders")
    assert not queue.idle
    queue.counter.ended(0.1, request.planned_s, 0.0, None)
    assert queue.idle


def test_lanes_wait_apart(queue: ArmQueue, clock: ScriptedClock) -> None:
    """Each is taken from its own lane; a WebSocket that waits keeps the arm busy, a bad client does not."""
    bad, websocket = replace(_request(0, 0.0), client="slow"), replace(_request(1, 0.0), open_s=5.0)
    queue.offer(bad)
    assert queue.idle
    queue.offer(websocket)
    queue.offer(_request(2, 0.0))
    assert not queue.idle
    assert [queue.take(lane).index for lane in (USERS, WEBSOCKETS, BAD_CLIENTS)] == [2, 1, 0]
    queue.offer(websocket)
    clock.t_s = 3.0
    queue.expire()
    assert queue.idle
    assert queue.counter.take(3).missed == 1


def test_a_request_that_was_cut_off_does_not_outlive_its_load(queue: ArmQueue) -> None:
    """What never ended in one load is not in flight in the next."""
    queue.counter.sent(0.0, "orders")
    queue.begin()
    assert queue.idle
