"""Reports the counts of each second to the master."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Final, Protocol

import gevent
from locust.rpc import Message
from locust.runners import WorkerRunner

from locustfiles.counts import Second
from locustfiles.locust_process import LocustProcess
from locustfiles.messages import BEGIN, HELLO, REFUSED, SECOND_REPORT, STOP, Begin, SecondReport, fingerprint
from locustfiles.worker.master_watch import MasterWatch
from soak.contract import Traffic
from soak.errors import UsageError

REPORT_CHECK_EVERY_S: Final = 0.1
"""How often the reporter checks whether a second is over, seconds."""


class MasterClock:
    """The master's ``t_s`` as this process reads it, possibly on another machine; each ``Begin`` sets it."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._t0_s = 0.0

    def set(self, t_s: float) -> None:
        """Let it be ``t_s`` now."""
        self._t0_s = self._monotonic_s() - t_s

    def now_s(self) -> float:
        """Return ``t_s``, seconds."""
        return self._monotonic_s() - self._t0_s


class LoadDriver(Protocol):
    """Sends this process's share of one load after the other, and counts what happens to it."""

    def prepare(self, begin: Begin) -> None:
        """Count anew for the load that begins; the clock is set."""

    def drive(self, begin: Begin) -> None:
        """Send until the load is over, drain included."""

    def stop_at(self, end_s: float) -> None:
        """Let the load end at ``end_s`` (``t_s``), if it does not end earlier."""

    def give_up(self) -> None:
        """Count as missed what still waits: the load is over."""

    def take(self, second: int) -> dict[str, Second]:
        """Return the counts of a second by arm, and drop them."""


class Reporter:
    """Has one load after the other driven as the master orders, and reports each second when it is over."""

    def __init__(
        self,
        traffic: Traffic,
        driver: LoadDriver,
        clock: MasterClock,
        check_every_s: float = REPORT_CHECK_EVERY_S,
    ) -> None:
        self._traffic = traffic
        self._driver = driver
        self._clock = clock
        self._check_every_s = check_every_s
        self._load: gevent.Greenlet | None = None
        """The greenlet of the load that is under way."""
        self._next_s = 0
        """The first second that is not reported yet."""

    def register(self, process: LocustProcess) -> None:
        """Listen to the master and announce this process to it."""
        self._process = process
        self._runner = process.runner
        self._runner.register_message(BEGIN, self._on_begin)
        self._runner.register_message(STOP, self._on_stop)
        self._runner.register_message(REFUSED, self._on_refused)
        if isinstance(self._runner, WorkerRunner):
            process.environment.events.quitting.add_listener(self.close)
            MasterWatch(process, self._runner).register()
        self._runner.send_message(HELLO, {"fingerprint": fingerprint(self._traffic)})

    def close(self, **_: object) -> None:
        """Give up what waits and report up to now; the rest of the share is not sent. Idempotent."""
        if self._load is not None:
            self._load.kill()
            self._finish(last=False)

    def _on_begin(self, msg: Message, **_: object) -> None:
        begin = Begin(**msg.data)
        self.close()  # a load that goes on since this process was cut off when it was stopped
        self._clock.set(begin.start_s - begin.in_s)
        self._next_s = math.floor(begin.start_s)
        self._driver.prepare(begin)
        self._load = self._process.spawn(self._run, begin)

    def _on_stop(self, msg: Message, **_: object) -> None:
        if self._load is not None:
            self._driver.stop_at(msg.data["end_s"])

    def _on_refused(self, msg: Message, **_: object) -> None:
        self._process.fail(UsageError(msg.data["reason"]))
        gevent.spawn(self._process.quit)

    def _run(self, begin: Begin) -> None:
        driving = self._process.spawn(self._driver.drive, begin)
        try:
            while not driving.ready():
                self._report_what_is_over()
                driving.join(self._check_every_s)
        finally:
            driving.kill()
        if driving.successful():
            self._finish(last=True)

    def _finish(self, *, last: bool) -> None:
        self._load = None
        self._driver.give_up()
        self._report_what_is_over()
        self._report(last=last)

    def _report_what_is_over(self) -> None:
        while self._next_s < int(self._clock.now_s()):
            self._report(last=False)

    def _report(self, *, last: bool) -> None:
        second = self._next_s
        # A load that is stopped before its start has no second.
        arms = self._driver.take(second) if second <= self._clock.now_s() else {}
        self._runner.send_message(SECOND_REPORT, SecondReport(second, arms, last).pack())
        self._next_s += 1
