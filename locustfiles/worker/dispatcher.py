"""Offers each request to every arm at its planned start."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from locustfiles.schedule.requests import PlannedRequest
from locustfiles.worker.queue import ArmQueue

TICK_S = 0.1
"""Longest time between two checks for requests that are too late, seconds."""
MOST_IN_A_ROW = 16
"""Most requests that are offered without a turn of the users, where more than one is due."""


class Dispatcher:
    """Walks the schedule in one greenlet; it never waits for an arm, so no arm delays another."""

    def __init__(
        self,
        queues: Sequence[ArmQueue],
        now_s: Callable[[], float],
        sleep: Callable[[float], object],
    ) -> None:
        self._queues = queues
        self._now_s = now_s
        self._sleep = sleep
        self._orders = [(*queues[first:], *queues[:first]) for first in range(len(queues))]
        self._end_s = math.inf
        self._in_a_row = 0
        """Number of requests offered since the last sleep."""

    @property
    def end_s(self) -> float:
        """End of the load, ``t_s``, as far as it is known."""
        return self._end_s

    def run(self, requests: Iterable[PlannedRequest], end_s: float, drain_s: float) -> None:
        """Offer every request, wait for the end of the load at ``end_s``, then for the requests in flight.

        That drain takes ``drain_s`` at most.
        """
        self.stop(end_s)
        for request in requests:
            if self._in_a_row == MOST_IN_A_ROW or self._now_s() < request.planned_s:
                self._wait_until(request.planned_s)
            if request.planned_s >= self._end_s:
                break
            self._in_a_row += 1
            for queue in self._orders[request.index % len(self._orders)]:
                queue.offer(request)
        self._wait_until(math.inf)
        drained_s = self._end_s + drain_s
        while not all(queue.idle for queue in self._queues) and self._now_s() < drained_s:
            self._tick(drained_s)

    def stop(self, end_s: float) -> None:
        """Let the load end at ``end_s`` (``t_s``), if it does not end earlier; later requests are not offered."""
        self._end_s = min(self._end_s, end_s)

    def _wait_until(self, t_s: float) -> None:
        """Wait until ``t_s`` or the end of the load."""
        self._tick(min(t_s, self._end_s))
        while self._now_s() < min(t_s, self._end_s):
            self._tick(min(t_s, self._end_s))

    def _tick(self, until_s: float) -> None:
        self._in_a_row = 0
        for queue in self._queues:
            queue.expire()
        # Behind schedule it sleeps for 0 s: the users need their turn.
        self._sleep(max(0.0, min(until_s - self._now_s(), TICK_S)))
