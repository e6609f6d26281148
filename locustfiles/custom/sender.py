"""The users of a custom locustfile against one arm: their requests are counted as they end."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable

import gevent

from locustfiles.counts import Second
from locustfiles.custom.user import bound_to, past_pause, use_bound
from locustfiles.locust_process import LocustProcess, listen_first
from locustfiles.messages import Begin
from locustfiles.worker.dispatcher import TICK_S
from locustfiles.worker.failure_kind import custom_kind, custom_time_us
from locustfiles.worker.reporter import MasterClock
from soak.contract import Traffic


class CustomSender:
    """Drives a custom load: counts the requests of this process's users, and stops the users at the load's end.

    Locust reports a request when it has ended, so it counts as sent in that second too, and a request that is cut off
    at the end is not counted. Nothing is planned, so there is no latency from a planned start: it is the service time.
    """

    def __init__(
        self,
        traffic: Traffic,
        arm: str,
        clock: MasterClock,
        sleep: Callable[[float], object] = gevent.sleep,
    ) -> None:
        self._traffic = traffic
        self._arm = arm
        self._clock = clock
        self._sleep = sleep
        self._counting = False
        self._start_s = 0.0
        self._end_s = math.inf
        self._seconds: defaultdict[int, Second] = defaultdict(Second)

    def register(self, process: LocustProcess) -> None:
        """Bind the users to the arm, and listen to their requests."""
        self._process = process
        environment = process.environment
        environment.host = url = self._traffic.arms[self._arm]
        pauses = None if self._traffic.quiesce_every_s is None else self._past_pause
        use_bound(environment, lambda users: bound_to(url, users, pauses))
        listen_first(environment.events.request, self._on_request)

    def prepare(self, begin: Begin) -> None:
        """Count anew for the load that begins."""
        self._seconds.clear()
        self._counting = True
        self._start_s = begin.start_s
        self._end_s = begin.start_s + self._traffic.warmup_s + self._traffic.load_s

    def drive(self, begin: Begin) -> None:  # noqa: ARG002 - the planned load needs it
        """Wait for the end of the load, then let every user finish its task within the network timeout."""
        while (left_s := self._end_s - self._clock.now_s()) > 0:
            self._sleep(min(left_s, TICK_S))
        environment = self._process.environment
        environment.stop_timeout = self._traffic.network_timeout_s
        try:
            self._process.runner.stop()
        finally:
            # A worker that Locust stops waits that long before it can be started again.
            environment.stop_timeout = 0.0

    def stop_at(self, end_s: float) -> None:
        """Let the load end at ``end_s`` (``t_s``), if it does not end earlier."""
        self._end_s = min(self._end_s, end_s)

    def give_up(self) -> None:
        """Count no more: the load is over, and nothing waits."""
        self._counting = False

    def take(self, second: int) -> dict[str, Second]:
        """Return the counts of a second, and drop them."""
        return {self._arm: self._seconds.pop(second, None) or Second()}

    def _on_request(
        self,
        response_time: object = None,
        exception: object = None,
        response: object = None,
        **_: object,
    ) -> None:
        if self._counting:
            # before anything is counted: whatever a client gives, what is sent has also ended
            failure, took_us = custom_kind(exception, response), custom_time_us(response_time)
            second = self._seconds[int(self._clock.now_s())]
            second.sent += 1
            second.ended(failure, took_us, took_us)

    def _past_pause(self, wait_s: float) -> float:
        return past_pause(self._traffic, self._clock.now_s() - self._start_s, wait_s)
