"""The users of a team's own locustfile against one arm: counted as their requests end."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable

import gevent
from locust.env import Environment

from locustfiles.counts import Second
from locustfiles.custom.user import bound_to, past_pause
from locustfiles.messages import Begin
from locustfiles.worker.dispatcher import TICK_S
from locustfiles.worker.outcome import own_kind
from locustfiles.worker.reporter import Reporter
from soak.contract import Traffic


class OwnSender(Reporter):
    """Counts what the users of this process do to its arm, and stops them at the end of the load.

    Locust tells of a request when it has ended, so it counts as sent in that second too, and what is cut off at the end
    counts nowhere. Nothing was planned, so there is no latency from a planned start: it is the service time.
    """

    def __init__(self, traffic: Traffic, arm: str, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(traffic, monotonic_s)
        self._arm = arm
        self._start_s = 0.0
        self._end_s = math.inf
        self._seconds: defaultdict[int, Second] = defaultdict(Second)

    def register(self, environment: Environment) -> None:
        """Bind the users to the arm, listen to their requests, and join the load."""
        url = self._traffic.arms[self._arm]
        environment.host = url
        pauses = None if self._traffic.quiesce_every_s is None else self._past_pause
        environment.user_classes = [bound_to(url, users, pauses) for users in environment.user_classes]
        environment.events.request.add_listener(self._on_request)
        super().register(environment)

    def _on_request(
        self,
        response_time: float,
        exception: BaseException | None = None,
        response: object = None,
        **_: object,
    ) -> None:
        if self._greenlet is None:
            return
        second = self._seconds[int(self._now())]
        second.sent += 1
        failure = own_kind(exception, response)
        if failure is None:
            second.ok += 1
        else:
            second.failed[failure] += 1
        took_us = max(0, round((response_time or 0) * 1000))
        second.timings.record(took_us, took_us)

    def _past_pause(self, wait_s: float) -> float:
        return past_pause(self._traffic, self._now() - self._start_s, wait_s)

    def _prepare(self, begin: Begin) -> None:
        self._seconds.clear()
        self._start_s = begin.start_s
        self._end_s = begin.start_s + self._traffic.warmup_s + self._traffic.load_s

    def _drive(self, begin: Begin) -> None:  # noqa: ARG002 - others need it
        while self._now() < self._end_s:
            self._report_what_is_over()
            gevent.sleep(max(0.0, min(self._end_s - self._now(), TICK_S)))
        stopping = gevent.spawn(self._stop_users)
        while not stopping.ready():
            self._report_what_is_over()
            stopping.join(TICK_S)

    def _stop_users(self) -> None:
        """Let every user finish its task, within the network timeout."""
        self._environment.stop_timeout = self._traffic.network_timeout_s
        self._runner.stop()
        # A worker that Locust stops waits that long before it can be started again.
        self._environment.stop_timeout = 0.0

    def _stop_at(self, end_s: float) -> None:
        self._end_s = min(self._end_s, end_s)

    def _give_up(self) -> None:
        pass

    def _take(self, second: int) -> dict[str, Second]:
        return {self._arm: self._seconds.pop(second, None) or Second()}
