"""The queue of one arm: requests whose planned start is past and that no user has taken yet."""

from __future__ import annotations

from collections.abc import Callable

from gevent.queue import SimpleQueue

from locustfiles.counts import ArmCounter
from locustfiles.schedule.requests import PlannedRequest


class ArmQueue:
    """Hands requests to the arm's users, and drops those that waited longer than ``max_lateness_s``.

    A dropped request is counted as missed and never sent. So a slow or dead arm holds at most the requests planned
    within ``max_lateness_s``, as long as ``expire`` is called. The requests of bad clients wait apart: they hold up no
    other.
    """

    def __init__(self, max_lateness_s: float, now_s: Callable[[], float]) -> None:
        self.counter = ArmCounter()
        self._max_lateness_s = max_lateness_s
        self._now_s = now_s
        self._waiting = SimpleQueue()
        self._waiting_badly = SimpleQueue()
        self._lanes = (self._waiting, self._waiting_badly)

    def __len__(self) -> int:
        return sum(map(len, self._lanes))

    @property
    def idle(self) -> bool:
        """Whether no request waits and none is in flight, those of bad clients left out."""
        return self._waiting.empty() and self.counter.in_flight == 0

    def begin(self) -> None:
        """Count anew: a request that was cut off in an earlier load never counts as ended."""
        self.counter = ArmCounter()

    def offer(self, request: PlannedRequest) -> None:
        """Put a request at the end of the queue."""
        (self._waiting_badly if request.client else self._waiting).put(request)

    def take(self, *, badly: bool = False) -> PlannedRequest:
        """Wait for the next request that is still in time, of a bad client or not; the caller sends it at once."""
        while True:
            request: PlannedRequest = self._lanes[badly].get()
            now_s = self._now_s()
            if not self._late(request, now_s):
                return request
            self.counter.missed(now_s)

    def expire(self) -> None:
        """Drop the requests that can no longer start in time."""
        now_s = self._now_s()
        for lane in self._lanes:
            while not lane.empty() and self._late(lane.peek_nowait(), now_s):
                self._drop(lane, now_s)

    def clear(self) -> None:
        """Drop all requests that wait."""
        for lane in self._lanes:
            while not lane.empty():
                self._drop(lane, self._now_s())

    def _late(self, request: PlannedRequest, now_s: float) -> bool:
        return now_s - request.planned_s > self._max_lateness_s

    def _drop(self, lane: SimpleQueue, now_s: float) -> None:
        lane.get_nowait()
        self.counter.missed(now_s)
