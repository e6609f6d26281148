"""The locustfile of the planned load, given to Locust with ``-f``; ``--traffic`` names the run's ``traffic.json``.

Locust's own ``--master`` and ``--worker`` split the load; without ``--headless`` its web UI starts and stops it.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import BinaryIO, cast

from gevent.fileobject import FileObject
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from locustfiles.locust_process import LocustProcess
from locustfiles.master.coordinator import coordinate_planned
from locustfiles.schedule.plan_file import read_traffic
from locustfiles.stats_bounds import StatsBounds
from locustfiles.web.extension import WebUi
from locustfiles.worker.reporter import MasterClock, Reporter
from locustfiles.worker.sender import PlannedSender
from locustfiles.worker.user import ArmUser
from soak.contract import Traffic
from soak.errors import SoakError

__all__ = ["ArmUser"]  # Locust requires a user class in the file; ``set_up`` replaces it by one for each arm.


def add_arguments(parser: LocustArgumentParser, **_: object) -> None:
    """Add our option to Locust's."""
    parser.add_argument(
        "--traffic",
        required=True,
        include_in_web_ui=False,
        help="traffic.json, the planned load that `soak run` wrote",
    )


def register(environment: Environment, **_: object) -> None:
    """Set up the process's part of the load; exits with the code of a SoakError."""
    options = cast(Namespace, environment.parsed_options)
    # Unbuffered: gevent's buffer would hold a line back until it is full.
    orders = FileObject(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    try:
        set_up(environment, read_traffic(Path(options.traffic)), orders)
    except SoakError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def set_up(environment: Environment, traffic: Traffic, orders: BinaryIO) -> None:
    """Let the process coordinate and record (a master), send (a worker) or do both; raises CannotRecordError."""
    clock = MasterClock()
    sender = PlannedSender(traffic, clock)
    environment.user_classes = list(sender.user_classes)
    process = LocustProcess(environment)
    if not isinstance(process.runner, WorkerRunner):
        coordinate_planned(process, traffic, orders)
        WebUi(traffic).register(environment)
    if not isinstance(process.runner, MasterRunner):
        Reporter(traffic, sender, clock).register(process)
    StatsBounds().register(environment)


events.init_command_line_parser.add_listener(add_arguments)
events.init.add_listener(register)
