from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import gevent
import pytest

from locustfiles.arm_queue import ArmQueue
from locustfiles.clock import RunClock
from locustfiles.recorder import ArmRecorder
from locustfiles.schedule import PlannedRequest
from locustfiles.timetable import Timetable

if TYPE_CHECKING:
    from .conftest import ScriptedClock

ReadRows = Callable[[Path], list[dict[str, str]]]


def _request(index: int, planned_s: float) -> PlannedRequest:
    return PlannedRequest(index, planned_s, "/api/orders-000", b"{}")


@pytest.fixture
def queue(clock: ScriptedClock, tmp_path: Path) -> ArmQueue:
    """Return the queue of an arm that may be one second late."""
    recorder = ArmRecorder("leaky", tmp_path, RunClock(0.0, monotonic_s=clock.now))
    recorder.begin(Timetable(0, 0, 60))
    return ArmQueue(recorder, 1.0, clock.now)


def test_first_come_first_served(queue: ArmQueue, clock: ScriptedClock) -> None:
    """Requests that are in time come out in their order, up to the full lateness."""
    queue.offer(_request(0, 0.0))
    queue.offer(_request(1, 0.5))
    clock.t_s = 1.0
    assert [queue.take().index, queue.take().index] == [0, 1]
    queue.recorder.close(clock.t_s)


def test_what_is_late_is_never_handed_out(
    queue: ArmQueue, clock: ScriptedClock, tmp_path: Path, read_rows: ReadRows
) -> None:
    """A user that comes late gets the first request that is still in time; the others are missed, not sent."""
    for index in range(4):
        queue.offer(_request(index, float(index)))
    clock.t_s = 3.5
    assert queue.take().index == 3
    queue.recorder.close(clock.t_s)
    assert [(row["planned"], row["missed"]) for row in read_rows(tmp_path)] == [
        ("1", "0"), ("1", "0"), ("1", "0"), ("1", "3"),
    ]  # fmt: skip


def test_expire_bounds_the_backlog(
    queue: ArmQueue, clock: ScriptedClock, tmp_path: Path, read_rows: ReadRows
) -> None:
    """Without any user the queue never holds more than rate times max_lateness_s."""
    longest = 0
    for index in range(1000):
        clock.t_s = index / 100
        queue.expire()
        queue.offer(_request(index, clock.t_s))
        longest = max(longest, len(queue))
    assert longest == 101
    queue.clear()
    queue.recorder.close(clock.t_s)
    rows = read_rows(tmp_path)
    assert sum(int(row["missed"]) for row in rows) == sum(int(row["planned"]) for row in rows) == 1000


def test_a_waiting_user_gets_the_next_request(queue: ArmQueue) -> None:
    """A user that waits is woken by an offer."""
    user = gevent.spawn(queue.take)
    gevent.sleep(0)
    queue.offer(_request(0, 0.0))
    assert user.get(timeout=5).index == 0
    queue.recorder.close(0.0)


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
    queue.recorder.close(2.0)


def test_idle(queue: ArmQueue) -> None:
    """An arm is idle when nothing waits and nothing is in flight."""
    assert queue.idle
    queue.offer(_request(0, 0.0))
    assert not queue.idle
    request = queue.take()
    queue.recorder.sent(0.0)
    assert not queue.idle
    queue.recorder.ended(0.1, request.planned_s, 0.0, None)
    assert queue.idle
    queue.recorder.close(0.1)
