"""The master's part of a load: its workers, its loads and its orders, together."""

from __future__ import annotations

from typing import BinaryIO, Final

from locustfiles.locust_process import LocustProcess
from locustfiles.master.loads import Loads, PlannedStarts
from locustfiles.master.membership import Membership, wait_for_silent_workers
from locustfiles.master.orders import Orders
from locustfiles.master.spawning import FixedUsers, SameUsersEverywhere
from locustfiles.schedule.arrivals import planned_starts
from soak.contract import Traffic
from soak.contract.clock import RunClock
from soak.errors import HarnessError

LOST_SHARE: Final = "the rest of its share counts as missed"


class Coordinator:
    """Coordinates the loads of a run as Locust's master, or as its only process; closes when Locust quits."""

    def __init__(
        self,
        process: LocustProcess,
        traffic: Traffic,
        orders: BinaryIO,
        planned: PlannedStarts | None,
        loss: str,
    ) -> None:
        """Open the recordings and listen to Locust; raises CannotRecordError."""
        self._process = process
        self.clock = RunClock(traffic.t0_monotonic_s)
        wait_for_silent_workers()
        self.members = Membership(traffic, process, self.clock, loss)
        self.loads = Loads(traffic, process, self.members, self.clock, planned)
        self.orders = Orders(orders, process, self.loads, self.clock)
        if web_ui := process.environment.web_ui:
            process.spawn(self.orders.follow_web_ui, web_ui, self.members)
        process.environment.events.quitting.add_listener(self.close)

    def await_order(self, **_: object) -> None:
        """Begin a load when it is ordered; for Locust's events, which may come more than once for a load."""
        if self._process.environment.web_ui:
            self._process.spawn(self.orders.begin_when_idle)
        else:
            self.orders.follow_start()

    def close(self, **_: object) -> None:
        """End the load that is under way and write what is recorded; idempotent."""
        if not self.orders.ready:
            self._process.fail(HarnessError("Locust ended before the load was ready; see the lines above"))
        self.loads.stop()
        self._process.close()
        self.loads.close()


def coordinate_planned(process: LocustProcess, traffic: Traffic, orders: BinaryIO) -> Coordinator:
    """Coordinate planned loads: Locust starts all users at once, and a load may begin when they are there."""
    environment, options = process.environment, process.environment.parsed_options
    made = Coordinator(process, traffic, orders, planned_starts, LOST_SHARE)
    users = traffic.users_per_arm * len(traffic.arms) * made.members.expected
    environment.dispatcher_class = SameUsersEverywhere
    if environment.web_ui:
        environment.shape_class = FixedUsers(users)
    elif options is not None:
        options.num_users, options.spawn_rate = users, 1
    environment.events.spawning_complete.add_listener(made.await_order)
    return made
