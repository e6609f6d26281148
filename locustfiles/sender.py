"""The sender: a process's share of the load, from Locust's users to the reports."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import cast

import gevent
from locust.env import Environment
from locust.rpc import Message
from locust.runners import Runner, WorkerRunner

from locustfiles.arm_queue import ArmQueue
from locustfiles.arm_user import user_class
from locustfiles.clock import RunClock
from locustfiles.dispatcher import Dispatcher
from locustfiles.exit_codes import EXIT_FAILED, EXIT_USAGE
from locustfiles.messages import BEGIN, HELLO, REFUSED, REPORT, STOP, Begin, Report, fingerprint
from locustfiles.schedule import schedule
from soak.contract import Traffic

DRAIN_MARGIN_S = 1.0
"""Beyond the last request's lateness and timeout: what the machine may take to notice both."""


def longest_drain_s(traffic: Traffic) -> float:
    """Return how long a sender waits at most for what is under way at the end of the load, seconds."""
    return traffic.max_lateness_s + traffic.network_timeout_s + DRAIN_MARGIN_S


class Sender:
    """Sends its share of each load to every arm at the planned instants, and reports each second that is over.

    It writes no file and knows the time from the ``Begin`` message, so it may run on another machine.
    """

    def __init__(self, traffic: Traffic, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._traffic = traffic
        self._clock = RunClock(0.0, monotonic_s)
        self._queues = {arm: ArmQueue(traffic.max_lateness_s, self._now) for arm in traffic.arms}
        self._dispatcher: Dispatcher | None = None
        self._greenlet: gevent.Greenlet | None = None
        self._next_s = 0
        """The first second that is not reported yet."""
        self.user_classes = [
            user_class(arm, traffic, queue, self._now) for arm, queue in self._queues.items()
        ]

    def register(self, environment: Environment) -> None:
        """Listen to the process that records, and tell it that this one is there."""
        self._environment = environment
        self._runner = cast(Runner, environment.runner)
        self._runner.register_message(BEGIN, self._on_begin)
        self._runner.register_message(STOP, self._on_stop)
        self._runner.register_message(REFUSED, self._on_refused)
        if isinstance(self._runner, WorkerRunner):
            environment.events.quitting.add_listener(self.close)
        self._runner.send_message(HELLO, {"fingerprint": fingerprint(self._traffic)})

    def close(self, **_: object) -> None:
        """Give up what waits and report up to now; the rest of the share is not sent. Idempotent."""
        if self._greenlet is not None:
            self._greenlet.kill()
            self._finish(last=False)

    def _on_begin(self, msg: Message, **_: object) -> None:
        begin = Begin.unpack(msg.data)
        self._clock = replace(
            self._clock, t0_monotonic_s=self._clock.monotonic_s() + begin.in_s - begin.start_s
        )
        for queue in self._queues.values():
            queue.begin()
        self._next_s = math.floor(begin.start_s)
        self._dispatcher = Dispatcher(
            tuple(self._queues.values()), self._now, gevent.sleep, self._report_what_is_over
        )
        self._greenlet = gevent.spawn(self._drive, self._dispatcher, begin)
        self._greenlet.link_exception(self._on_fault)

    def _on_stop(self, msg: Message, **_: object) -> None:
        if self._dispatcher is not None:
            self._dispatcher.stop(msg.data["end_s"])

    def _on_refused(self, msg: Message, **_: object) -> None:
        print(msg.data["reason"], file=sys.stderr, flush=True)
        self._environment.process_exit_code = EXIT_USAGE
        gevent.spawn(self._runner.quit)

    def _drive(self, dispatcher: Dispatcher, begin: Begin) -> None:
        traffic = replace(self._traffic, seed=begin.seed)
        dispatcher.run(
            islice(schedule(traffic, begin.start_s), begin.share, None, begin.shares),
            end_s=begin.start_s + traffic.warmup_s + traffic.load_s,
            drain_s=longest_drain_s(traffic),
        )
        self._finish(last=True)

    def _finish(self, *, last: bool) -> None:
        self._greenlet = None
        for queue in self._queues.values():
            queue.clear()
        self._report_what_is_over()
        self._report(last=last)

    def _report_what_is_over(self) -> None:
        while self._next_s < int(self._now()):
            self._report(last=False)

    def _report(self, *, last: bool) -> None:
        second = self._next_s
        # A load that is stopped before its start has no second.
        begun = second <= self._now()
        arms = {arm: queue.counter.take(second) for arm, queue in self._queues.items()} if begun else {}
        self._runner.send_message(REPORT, Report(second, arms, last).pack())
        self._next_s += 1

    def _now(self) -> float:
        return self._clock.now()

    def _on_fault(self, _: gevent.Greenlet) -> None:
        # gevent has printed the traceback; a load generator without its load must not look alive.
        self._environment.process_exit_code = EXIT_FAILED
        gevent.spawn(self._runner.quit)
