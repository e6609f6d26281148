"""The dispatcher: offers each request to every arm at its planned start."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from locustfiles.schedule.arrivals import PlannedRequest
from locustfiles.worker.queue import ArmQueue

TICK_S = 0.1
"""At least this often late requests are given up and ``on_tick`` is called."""


class Dispatcher:
    """Walks the schedule in one greenlet; it never waits for an arm, so no arm delays another."""

    def __init__(
        self,
        queues: Sequence[ArmQueue],
        now: Callable[[], float],
        sleep: Callable[[float], object],
        on_tick: Callable[[], object],
    ) -> None:
        self._queues = queues
        self._now = now
        self._sleep = sleep
        self._on_tick = on_tick
        self._orders = [(*queues[first:], *queues[:first]) for first in range(len(queues))]
        self._end_s = math.inf

    def run(self, requests: Iterable[PlannedRequest], end_s: float, drain_s: float) -> None:
        """Offer every request, wait for the end of the load at ``end_s``, then for what is under way.

        The drain takes ``drain_s`` at most.
        """
        self.stop(end_s)
        for request in requests:
            self._wait_until(request.planned_s)
            if request.planned_s >= self._end_s:
                break
            for queue in self._orders[request.index % len(self._orders)]:
                queue.offer(request)
        self._wait_until(math.inf)
        drained_s = self._end_s + drain_s
        while not all(queue.idle for queue in self._queues) and self._now() < drained_s:
            self._tick(drained_s)

    def stop(self, end_s: float) -> None:
        """Let the load end at ``end_s`` (``t_s``), if it does not end earlier; what is planned later is not offered."""
        self._end_s = min(self._end_s, end_s)

    def _wait_until(self, t_s: float) -> None:
        """Wait until ``t_s`` or the end of the load."""
        self._tick(min(t_s, self._end_s))
        while self._now() < min(t_s, self._end_s):
            self._tick(min(t_s, self._end_s))

    def _tick(self, until_s: float) -> None:
        for queue in self._queues:
            queue.expire()
        self._on_tick()
        # Behind schedule it sleeps too, for no time: the users need their turn.
        self._sleep(max(0.0, min(until_s - self._now(), TICK_S)))
