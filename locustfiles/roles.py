"""Which parts of the load a Locust process has."""

from __future__ import annotations

from typing import BinaryIO

from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from locustfiles.exit_codes import EXIT_OK
from locustfiles.sender import Sender
from locustfiles.soak_load import SoakLoad
from locustfiles.spawning import SameUsersEverywhere
from locustfiles.upkeep import StatsUpkeep
from locustfiles.web_ui import WebUi
from soak.contract import Traffic


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
