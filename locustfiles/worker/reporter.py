"""Reports to the master, each second, what was counted."""

from __future__ import annotations

import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import gevent
from locust.env import Environment
from locust.rpc import Message
from locust.runners import Runner, WorkerRunner

from locustfiles.counts import Second
from locustfiles.messages import BEGIN, HELLO, REFUSED, REPORT, STOP, Begin, Report, fingerprint
from soak.contract import Traffic
from soak.contract.clock import RunClock
from soak.errors import EXIT_HARNESS_FAILED, EXIT_USAGE


class Reporter(ABC):
    """Drives one load after the other and reports them; what is driven is up to the subclass.

    It writes no file and knows the time from the ``Begin`` message, so it may run on another machine.
    """

    def __init__(self, traffic: Traffic, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._traffic = traffic
        self._clock = RunClock(0.0, monotonic_s)
        self._greenlet: gevent.Greenlet | None = None
        """Drives the load that is under way."""
        self._next_s = 0
        """The first second that is not reported yet."""

    @abstractmethod
    def _prepare(self, begin: Begin) -> None:
        """Count anew; the clock is set."""

    @abstractmethod
    def _drive(self, begin: Begin) -> None:
        """Send until the load is over, drain included, and call ``_report_what_is_over`` meanwhile."""

    @abstractmethod
    def _stop_at(self, end_s: float) -> None:
        """Let the load end at ``end_s`` (``t_s``), if it does not end earlier."""

    @abstractmethod
    def _give_up(self) -> None:
        """Count what waits as missed: the load is over."""

    @abstractmethod
    def _take(self, second: int) -> dict[str, Second]:
        """Return what happened to each arm in a second, and let it go."""

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
        self.close()  # a load that this process was cut off from when it was stopped
        self._clock = replace(
            self._clock, t0_monotonic_s=self._clock.monotonic_s() + begin.in_s - begin.start_s
        )
        self._next_s = math.floor(begin.start_s)
        self._prepare(begin)
        self._greenlet = gevent.spawn(self._run, begin)
        self._greenlet.link_exception(self._on_fault)

    def _on_stop(self, msg: Message, **_: object) -> None:
        if self._greenlet is not None:
            self._stop_at(msg.data["end_s"])

    def _on_refused(self, msg: Message, **_: object) -> None:
        print(msg.data["reason"], file=sys.stderr, flush=True)
        self._environment.process_exit_code = EXIT_USAGE
        gevent.spawn(self._runner.quit)

    def _run(self, begin: Begin) -> None:
        self._drive(begin)
        self._finish(last=True)

    def _finish(self, *, last: bool) -> None:
        self._greenlet = None
        self._give_up()
        self._report_what_is_over()
        self._report(last=last)

    def _report_what_is_over(self) -> None:
        while self._next_s < int(self._now()):
            self._report(last=False)

    def _report(self, *, last: bool) -> None:
        second = self._next_s
        # A load that is stopped before its start has no second.
        arms = self._take(second) if second <= self._now() else {}
        self._runner.send_message(REPORT, Report(second, arms, last).pack())
        self._next_s += 1

    def _now(self) -> float:
        return self._clock.now_s()

    def _on_fault(self, _: gevent.Greenlet) -> None:
        # gevent has printed the traceback; a load generator without its load must not look alive.
        self._environment.process_exit_code = EXIT_HARNESS_FAILED
        gevent.spawn(self._runner.quit)
