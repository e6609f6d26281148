"""The load of a run as a plugin of Locust: from its start to its last recorded second."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, cast

import gevent
from locust.env import Environment
from locust.runners import Runner

from locustfiles.arm_queue import ArmQueue
from locustfiles.arm_user import user_class
from locustfiles.clock import RunClock
from locustfiles.dispatcher import Dispatcher
from locustfiles.recorder import ArmRecorder, CannotRecordError
from locustfiles.schedule import schedule
from locustfiles.timetable import Timetable
from soak.contract import TRAFFIC_READY, Traffic

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2

DRAIN_MARGIN_S = 1.0
"""Beyond the last request's lateness and timeout: what the machine may take to notice both."""


class SoakLoad:
    """Drives the planned load at every arm; Locust starts the users and ends the process.

    When all users are spawned it prints TRAFFIC_READY and reads the line ``start <t_s>`` from ``orders``. When
    ``orders`` ends, whoever gave them is gone, and it quits.
    """

    def __init__(self, traffic: Traffic, orders: BinaryIO) -> None:
        """Open the recordings; raises CannotRecordError."""
        self._traffic = traffic
        self._orders = orders
        self._clock = RunClock(traffic.t0_monotonic_s)
        self._queues = {arm: self._queue(arm) for arm in traffic.arms}
        self._greenlets: list[gevent.Greenlet] = []

    def _queue(self, arm: str) -> ArmQueue:
        recorder = ArmRecorder(arm, Path(self._traffic.out_dir, arm), self._clock)
        return ArmQueue(recorder, self._traffic.max_lateness_s, self._clock.now)

    def register(self, environment: Environment) -> None:
        """Give Locust the users of every arm to spawn."""
        self._environment = environment
        self._runner = cast(Runner, environment.runner)
        environment.user_classes = [
            user_class(arm, self._traffic, queue, self._clock.now) for arm, queue in self._queues.items()
        ]
        users = self._traffic.users_per_arm * len(self._queues)
        options = cast(Namespace, environment.parsed_options)
        options.num_users = options.spawn_rate = users
        # Otherwise Locust makes one from the failed requests, and those are for the report to judge.
        environment.process_exit_code = EXIT_OK
        environment.events.spawning_complete.add_listener(self._on_spawning_complete)
        environment.events.quitting.add_listener(self.close)

    def close(self, **_: object) -> None:
        """Stop the load, give up what waits and write what is recorded; idempotent."""
        gevent.killall(self._greenlets)
        self._runner.stop()
        for queue in self._queues.values():
            queue.clear()
            try:
                queue.recorder.close(self._clock.now())
            except CannotRecordError as error:
                self._fail(error, EXIT_FAILED)

    def _on_spawning_complete(self, **_: object) -> None:
        self._spawn(self._follow_orders)
        print(TRAFFIC_READY, flush=True)

    def _follow_orders(self) -> None:
        if order := self._orders.readline():
            try:
                self._begin(start_of(order))
            except ValueError as error:
                self._fail(error, EXIT_USAGE)
            else:
                for _ in self._orders:
                    pass
        self._runner.quit()

    def _begin(self, start_s: float) -> None:
        for queue in self._queues.values():
            queue.recorder.begin(Timetable.of(self._traffic, start_s))
        self._spawn(self._drive, start_s)

    def _drive(self, start_s: float) -> None:
        traffic = self._traffic
        try:
            Dispatcher(tuple(self._queues.values()), self._clock.now, gevent.sleep).run(
                schedule(traffic, start_s),
                end_s=start_s + traffic.warmup_s + traffic.load_s,
                drain_s=traffic.max_lateness_s + traffic.network_timeout_s + DRAIN_MARGIN_S,
            )
        except CannotRecordError as error:
            self._fail(error, EXIT_FAILED)
        self._runner.quit()

    def _fail(self, error: Exception, exit_code: int) -> None:
        if self._environment.process_exit_code == EXIT_OK:
            print(error, file=sys.stderr, flush=True)
            self._environment.process_exit_code = exit_code

    def _spawn(self, work: Callable[..., None], *arguments: float) -> None:
        greenlet = gevent.spawn(work, *arguments)
        greenlet.link_exception(self._on_fault)
        self._greenlets.append(greenlet)

    def _on_fault(self, _: gevent.Greenlet) -> None:
        # gevent has printed the traceback; a load generator without its load must not look alive.
        self._environment.process_exit_code = EXIT_FAILED
        gevent.spawn(self._runner.quit)


def start_of(order: bytes) -> float:
    """Return the ``t_s`` of the line ``start <t_s>``; raises ValueError for any other."""
    if match := re.fullmatch(rb"start (\d+(\.\d+)?)\s*", order):
        return float(match[1])
    raise ValueError(
        f"standard input: expected 'start <t_s>', got {order.decode(errors='replace').strip()!r}"
    )
