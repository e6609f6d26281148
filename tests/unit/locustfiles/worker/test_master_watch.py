"""A master that lives is never taken for a dead one, whatever the wall clock does."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import gevent
import pytest
from locust.env import Environment
from locust.runners import WorkerRunner

from locustfiles.locust_process import LocustProcess
from locustfiles.worker.master_watch import MasterWatch


class Worker:
    """A worker without its connection, at a scripted time."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.environment = Environment()
        self.runner = SimpleNamespace(last_heartbeat_timestamp=None, quits=0)
        self.runner.quit = self.quit
        self.environment.runner = cast(Any, self.runner)
        process = LocustProcess(self.environment)
        self.watch = MasterWatch(process, cast(WorkerRunner, self.runner), lambda: self.now_s)
        self.watch.register()

    def quit(self) -> None:
        self.runner.quits += 1

    def heartbeat(self) -> None:
        """Receive a heartbeat as ``WorkerRunner.handle_message`` does."""
        self.runner.last_heartbeat_timestamp = time.time()
        self.environment.events.heartbeat_received.fire(
            client_id="w", timestamp=self.runner.last_heartbeat_timestamp
        )


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_a_clock_that_is_set_forward_ends_no_worker(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """Locust's own check sees no heartbeat that it could compare with the wall clock."""
    worker.heartbeat()
    ahead_s = time.time() + 3600
    monkeypatch.setattr(time, "time", lambda: ahead_s)
    checker = WorkerRunner.heartbeat_timeout_checker
    monkeypatch.setattr("locust.runners.gevent.sleep", _look_twice())
    with pytest.raises(StopIteration):
        checker(cast(WorkerRunner, worker.runner))
    assert (worker.runner.quits, worker.watch.is_silent()) == (0, False)


def test_a_master_that_was_silent_for_a_minute_is_gone(worker: Worker) -> None:
    """Not one that was not heard yet: a worker from another machine waits for the run as long as it takes."""
    worker.now_s += 10_000
    assert not worker.watch.is_silent()
    worker.heartbeat()
    worker.now_s += 60
    assert not worker.watch.is_silent()
    worker.now_s += 1
    assert worker.watch.is_silent()
    worker.heartbeat()
    assert not worker.watch.is_silent()


def test_a_worker_whose_master_is_gone_ends(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker on another machine has nobody else to end it."""
    worker.heartbeat()
    monkeypatch.setattr("locustfiles.worker.master_watch.LOOK_EVERY_S", 0.0)
    for _ in range(3):
        gevent.sleep(0)
    assert worker.runner.quits == 0
    worker.now_s += 61
    for _ in range(3):
        gevent.sleep(0)
    assert worker.runner.quits == 1


def _look_twice() -> Any:
    looks = iter((None, None))
    return lambda _seconds: next(looks)
