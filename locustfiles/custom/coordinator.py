"""The master's part of a custom load: one worker for each arm, the same users in all of them."""

from __future__ import annotations

import signal
from typing import BinaryIO, Final

import gevent

from locustfiles.locust_process import LocustProcess
from locustfiles.master.coordinator import Coordinator
from locustfiles.master.spawning import keep_lost_workers, same_users_per_arm
from soak.contract import Traffic

LOST_ARM: Final = "its arm gets no more requests"


def coordinate_custom(process: LocustProcess, traffic: Traffic, orders: BinaryIO) -> Coordinator:
    """Coordinate custom loads, of which nothing is planned.

    From a load's start on, Locust starts the same users for every arm, at the pace or shape of the locustfile.
    """
    environment, options = process.environment, process.environment.parsed_options
    keep_lost_workers(environment)
    made = Coordinator(process, traffic, orders, None, LOST_ARM)

    def await_start() -> None:
        if not made.loads.under_way.is_set():
            made.members.complete.wait()
            made.await_order()
            made.loads.under_way.wait()
            gevent.sleep(max(0.0, made.loads.start_s - made.clock.now_s()))
            if environment.shape_class is not None:
                environment.shape_class.reset_time()
        # Otherwise Locust sends all workers the host of its start form.
        environment.host = None

    environment.dispatcher_class = same_users_per_arm(await_start)
    if options is not None:
        options.run_time = None
    if environment.shape_class is not None and not environment.web_ui:
        # Locust ends on this signal only when a shape is over.
        gevent.signal_handler(signal.SIGTERM, process.quit)
    return made
