"""The sender: a process's share of the planned requests, handed to Locust's users at their instants."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import gevent

from locustfiles.counts import Second
from locustfiles.messages import Begin
from locustfiles.schedule.arrivals import schedule
from locustfiles.schedule.phases import longest_drain_s
from locustfiles.worker.dispatcher import Dispatcher
from locustfiles.worker.queue import ArmQueue
from locustfiles.worker.reporter import Reporter
from locustfiles.worker.user import user_class
from soak.contract import Traffic


class Sender(Reporter):
    """Sends its share of each load to every arm at the planned instants."""

    def __init__(self, traffic: Traffic, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__(traffic, monotonic_s)
        self._queues = {arm: ArmQueue(traffic.max_lateness_s, self._now) for arm in traffic.arms}
        self._dispatcher = self._new_dispatcher()
        self.user_classes = [
            user_class(arm, traffic, queue, self._now) for arm, queue in self._queues.items()
        ]

    def _prepare(self, begin: Begin) -> None:  # noqa: ARG002 - others need it
        for queue in self._queues.values():
            queue.begin()
        self._dispatcher = self._new_dispatcher()

    def _drive(self, begin: Begin) -> None:
        traffic = replace(self._traffic, seed=begin.seed)
        self._dispatcher.run(
            islice(schedule(traffic, begin.start_s), begin.share, None, begin.shares),
            end_s=begin.start_s + traffic.warmup_s + traffic.load_s,
            drain_s=longest_drain_s(traffic),
        )

    def _stop_at(self, end_s: float) -> None:
        self._dispatcher.stop(end_s)

    def _give_up(self) -> None:
        for queue in self._queues.values():
            queue.clear()

    def _take(self, second: int) -> dict[str, Second]:
        return {arm: queue.counter.take(second) for arm, queue in self._queues.items()}

    def _new_dispatcher(self) -> Dispatcher:
        return Dispatcher(tuple(self._queues.values()), self._now, gevent.sleep, self._report_what_is_over)
