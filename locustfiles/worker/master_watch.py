"""A worker ends once its master has been silent for a minute, by a clock that does not step.

Locust compares times of the wall clock: when that is set forward by more than a minute, its check ends a worker whose
master is alive.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import gevent
from locust.runners import MASTER_HEARTBEAT_TIMEOUT, WorkerRunner

from locustfiles.locust_process import LocustProcess

LOOK_EVERY_S: Final = 1.0


class MasterWatch:
    """Quits the process MASTER_HEARTBEAT_TIMEOUT seconds after its master's last heartbeat; never before the first."""

    def __init__(
        self, process: LocustProcess, runner: WorkerRunner, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._process = process
        self._runner = runner
        self._now_s = now_s
        self._heard_s: float | None = None

    def register(self) -> None:
        """Listen to the master and watch it."""
        self._process.environment.events.heartbeat_received.add_listener(self._hear)
        self._process.spawn(self._watch)

    def is_silent(self) -> bool:
        """Return whether the master was heard, and has been silent since for too long."""
        return self._heard_s is not None and self._now_s() - self._heard_s > MASTER_HEARTBEAT_TIMEOUT

    def _hear(self, **_: object) -> None:
        self._heard_s = self._now_s()
        self._runner.last_heartbeat_timestamp = None  # without it Locust's own check does not look

    def _watch(self) -> None:
        while not self.is_silent():
            gevent.sleep(LOOK_EVERY_S)
        logging.getLogger(__name__).error("The master sent no heartbeat for %d s.", MASTER_HEARTBEAT_TIMEOUT)
        self._process.quit()
