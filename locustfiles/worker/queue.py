"""The queue of one arm: requests whose planned start is past and that no user has taken yet."""

from __future__ import annotations

from collections.abc import Callable

from gevent.queue import SimpleQueue

from locustfiles.counts import ArmCounter
from locustfiles.schedule.requests import BAD_CLIENTS, LANES, USERS, PlannedRequest


class ArmQueue:
    """Hands requests to the arm's users, and drops those that waited longer than ``max_lateness_s``.

    A dropped request is counted as missed and never sent. So a slow or dead arm holds at most the requests planned
    within ``max_lateness_s``, as long as ``expire`` is called. Each lane waits apart, so that bad clients and
    WebSockets hold up no other request.
    """

    def __init__(self, max_lateness_s: float, now_s: Callable[[], float]) -> None:
        self.counter = ArmCounter()
        self._max_lateness_s = max_lateness_s
        self._now_s = now_s
        self._lanes = {lane: SimpleQueue() for lane in LANES}

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    @property
    def idle(self) -> bool:
        """Whether no request waits and none is in flight, those of bad clients left out."""
        waiting = any(len(queue) for lane, queue in self._lanes.items() if lane != BAD_CLIENTS)
        return not waiting and self.counter.in_flight == 0

    def begin(self) -> None:
        """Count anew: a request that was cut off in an earlier load never counts as ended."""
        self.counter = ArmCounter()

    def offer(self, request: PlannedRequest) -> None:
        """Put a request at the end of its lane."""
        self._lanes[request.lane].put(request)

    def take(self, lane: str = USERS) -> PlannedRequest:
        """Wait for the next request of a lane that is still in time; the caller sends it at once."""
        while True:
            request: PlannedRequest = self._lanes[lane].get()
            now_s = self._now_s()
            if not self._late(request, now_s):
                return request
            self.counter.missed(now_s)

    def expire(self) -> None:
        """Drop the requests that can no longer start in time."""
        now_s = self._now_s()
        for lane in self._lanes.values():
            while not lane.empty() and self._late(lane.peek_nowait(), now_s):
                self._drop(lane, now_s)

    def clear(self) -> None:
        """Drop all requests that wait."""
        for lane in self._lanes.values():
            while not lane.empty():
                self._drop(lane, self._now_s())

    def _late(self, request: PlannedRequest, now_s: float) -> bool:
        return now_s - request.planned_s > self._max_lateness_s

    def _drop(self, lane: SimpleQueue, now_s: float) -> None:
        lane.get_nowait()
        self.counter.missed(now_s)
