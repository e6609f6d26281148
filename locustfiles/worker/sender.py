"""A process's share of the planned requests, handed to Locust's users at their planned instants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import gevent

from locustfiles.counts import Second
from locustfiles.messages import Begin
from locustfiles.schedule.arrivals import made_ahead, schedule
from locustfiles.schedule.phases import longest_drain_s
from locustfiles.worker.bad_clients import BadClients
from locustfiles.worker.dispatcher import Dispatcher
from locustfiles.worker.lane_clients import LaneClients
from locustfiles.worker.queue import ArmQueue
from locustfiles.worker.reporter import MasterClock
from locustfiles.worker.user import user_class
from locustfiles.worker.websockets import Report, WebSockets
from soak.contract import Traffic


class PlannedSender:
    """Drives the planned load: offers its share of the requests to every arm at the planned instants."""

    _dispatcher: Dispatcher

    def __init__(
        self,
        traffic: Traffic,
        clock: MasterClock,
        sleep: Callable[[float], object] = gevent.sleep,
        report: Report = lambda **_: None,
    ) -> None:
        """Take the plan; ``report`` hands what Locust's users do not send to Locust's statistics."""
        self._traffic = traffic
        self._clock = clock
        self._sleep = sleep
        self._queues = {arm: ArmQueue(traffic.max_lateness_s, clock.now_s) for arm in traffic.arms}
        self._clients = [
            clients
            for arm, queue in self._queues.items()
            for clients in lane_clients(arm, traffic, queue, clock.now_s, self._end_s, report)
        ]
        self.user_classes = [
            user_class(arm, traffic, queue, clock.now_s) for arm, queue in self._queues.items()
        ]

    def _end_s(self) -> float:
        return self._dispatcher.end_s

    def prepare(self, begin: Begin) -> None:  # noqa: ARG002 - a custom load needs it
        """Count anew for the load that begins."""
        for queue in self._queues.values():
            queue.begin()
        self._dispatcher = Dispatcher(tuple(self._queues.values()), self._clock.now_s, self._sleep)
        for clients in self._clients:
            clients.begin()

    def drive(self, begin: Begin) -> None:
        """Offer the requests of the share until the load is over, drain included."""
        traffic = replace(self._traffic, seed=begin.seed)
        self._dispatcher.run(
            made_ahead(schedule(traffic, begin.start_s, share=begin.share, shares=begin.shares)),
            end_s=begin.start_s + traffic.warmup_s + traffic.load_s,
            drain_s=longest_drain_s(traffic),
        )

    def stop_at(self, end_s: float) -> None:
        """Offer nothing planned at ``end_s`` (``t_s``) or later."""
        self._dispatcher.stop(end_s)

    def give_up(self) -> None:
        """Count as missed what still waits, and end the clients beside Locust's users."""
        for queue in self._queues.values():
            queue.clear()
        for clients in self._clients:
            clients.close()

    def take(self, second: int) -> dict[str, Second]:
        """Return the counts of a second by arm, and drop them."""
        return {arm: queue.counter.take(second) for arm, queue in self._queues.items()}


def lane_clients(
    arm: str,
    traffic: Traffic,
    queue: ArmQueue,
    now_s: Callable[[], float],
    end_s: Callable[[], float],
    report: Report,
) -> Iterator[LaneClients]:
    """Yield what takes the requests of an arm that Locust's users do not send, for the lanes that have some."""
    common = (traffic.arms[arm], queue, traffic.users_per_arm, traffic.network_timeout_s, now_s)
    if any(kind.client and kind.open_s is None for kind in traffic.kinds):
        yield BadClients(*common)
    if any(kind.open_s is not None for kind in traffic.kinds):

        def report_of_arm(name: str, **what: object) -> None:
            report(name=f"{arm} {name}", **what)

        yield WebSockets(*common, traffic.max_response, end_s, report_of_arm)
