"""The dispatcher: offers each request to every arm at its planned start."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from locustfiles.arm_queue import ArmQueue
from locustfiles.schedule import PlannedRequest

TICK_S = 0.1
"""At least this often late requests are given up and seconds written."""


class Dispatcher:
    """Walks the schedule in one greenlet; it never waits for an arm, so no arm delays another."""

    def __init__(
        self, queues: Sequence[ArmQueue], now: Callable[[], float], sleep: Callable[[float], object]
    ) -> None:
        self._queues = queues
        self._now = now
        self._sleep = sleep
        self._orders = [(*queues[first:], *queues[:first]) for first in range(len(queues))]

    def run(self, requests: Iterable[PlannedRequest], end_s: float, drain_s: float) -> None:
        """Offer every request, wait for the end of the load at ``end_s``, then for what is under way.

        The drain takes ``drain_s`` at most. Raises CannotRecordError.
        """
        for request in requests:
            self._wait_until(request.planned_s)
            for queue in self._orders[request.index % len(self._orders)]:
                queue.offer(request)
        self._wait_until(end_s)
        while not all(queue.idle for queue in self._queues) and self._now() < end_s + drain_s:
            self._tick(end_s + drain_s)

    def _wait_until(self, t_s: float) -> None:
        self._tick(t_s)
        while self._now() < t_s:
            self._tick(t_s)

    def _tick(self, until_s: float) -> None:
        for queue in self._queues:
            queue.expire()
            # A dispatcher that is behind still has requests to count in past seconds.
            queue.recorder.advance(min(self._now(), until_s))
        # Behind schedule it sleeps too, for no time: the users need their turn.
        self._sleep(max(0.0, min(until_s - self._now(), TICK_S)))
