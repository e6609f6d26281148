"""Which parts of the load a Locust process has."""

from __future__ import annotations

from typing import BinaryIO

from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from locustfiles.master.coordinator import SoakLoad
from locustfiles.master.spawning import SameUsersEverywhere
from locustfiles.stats_bounds import StatsUpkeep
from locustfiles.web.extension import WebUi
from locustfiles.worker.sender import Sender
from soak.contract import Traffic
from soak.errors import EXIT_OK


def set_up(environment: Environment, traffic: Traffic, orders: BinaryIO) -> None:
    """Let the process record (a master), send (a worker) or do both; raises CannotRecordError."""
    sender = Sender(traffic)
    environment.user_classes = list(sender.user_classes)
    environment.dispatcher_class = SameUsersEverywhere
    # Otherwise Locust makes one from the failed requests, and those are for the report to judge.
    environment.process_exit_code = EXIT_OK
    if not isinstance(environment.runner, WorkerRunner):
        SoakLoad(traffic, orders).register(environment)
        WebUi(traffic).register(environment)
    if not isinstance(environment.runner, MasterRunner):
        sender.register(environment)
    StatsUpkeep().register(environment)
