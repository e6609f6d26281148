"""The load of a team's own locustfile: one process for each arm, the same users in all of them."""

from __future__ import annotations

import signal
from argparse import Namespace
from collections.abc import Iterable

import gevent
from locust.env import Environment

from locustfiles.master.coordinator import LOOK_EVERY_S, SoakLoad
from locustfiles.master.ledger import Row
from locustfiles.master.spawning import same_users_per_arm
from soak.contract import Traffic


class OwnLoad(SoakLoad):
    """Records what the users of the arms' processes do; nothing of it is planned.

    As Locust's master it starts the same users in every process, at the file's own pace or shape, from the load's start
    on. Its orders and what it prints are those of SoakLoad.
    """

    loss = "its arm gets no more requests"

    def await_start(self) -> None:
        """Wait until the load that is ordered, or asked for by Start, is to begin."""
        if self._over.is_set():
            self._await_workers()
            if self._environment.web_ui:
                self._spawn(self._begin_when_idle)
            elif not self._ready:
                self._spawn(self._follow_orders)
                self._say_ready()
            while self._over.is_set():
                gevent.sleep(LOOK_EVERY_S)
            gevent.sleep(max(0.0, self._start_s - self._clock.now_s()))
            if self._environment.shape_class is not None:
                self._environment.shape_class.reset_time()
        # Otherwise Locust hands all workers the host of its start form.
        self._environment.host = None

    def _have_users_spawned(self, environment: Environment, options: Namespace) -> None:
        environment.dispatcher_class = same_users_per_arm(self.await_start)
        options.run_time = None
        if environment.shape_class is not None and not environment.web_ui:
            # Locust listens to it only when a shape is over.
            gevent.signal_handler(signal.SIGTERM, self._quit)

    def _planned_starts(self, traffic: Traffic, start_s: float) -> Iterable[float]:  # noqa: ARG002 - none
        return ()

    def _planned(self, row: Row, arm: str) -> int:
        """Return what was sent: the users decide."""
        return row.arms[arm].sent

    def _await_workers(self) -> None:
        while len(self._known) < self._expected:
            gevent.sleep(LOOK_EVERY_S)
