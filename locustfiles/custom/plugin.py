"""The plugin for a custom locustfile, which custom_load.py adds to Locust: ``--soak-traffic traffic.json``.

It runs as Locust's master and as one worker for each arm, ``--worker --soak-arm NAME``.
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
from locust.runners import WorkerRunner

from locustfiles.custom.coordinator import coordinate_custom
from locustfiles.custom.sender import CustomSender
from locustfiles.locust_process import LocustProcess
from locustfiles.schedule.plan_file import read_traffic
from locustfiles.stats_bounds import StatsBounds
from locustfiles.web.extension import WebUi
from locustfiles.worker.reporter import MasterClock, Reporter
from soak.contract import Traffic
from soak.errors import SoakError


def add_soak_arguments(parser: LocustArgumentParser, **_: object) -> None:
    """Add our options to Locust's; their prefix keeps them apart from the locustfile's own."""
    parser.add_argument(
        "--soak-traffic", required=True, include_in_web_ui=False, help="traffic.json, which `soak run` wrote"
    )
    parser.add_argument("--soak-arm", default="", include_in_web_ui=False, help="the arm of this worker")


def register_custom(environment: Environment, **_: object) -> None:
    """Set up the process's part of the load; exits with the code of a SoakError."""
    options = cast(Namespace, environment.parsed_options)
    # Unbuffered: gevent's buffer would hold a line back until it is full.
    orders = FileObject(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    try:
        _set_up(environment, read_traffic(Path(options.soak_traffic)), options.soak_arm, orders)
    except SoakError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def _set_up(environment: Environment, traffic: Traffic, arm: str, orders: BinaryIO) -> None:
    process = LocustProcess(environment)
    if isinstance(process.runner, WorkerRunner):
        clock = MasterClock()
        sender = CustomSender(traffic, arm, clock)
        sender.register(process)
        Reporter(traffic, sender, clock).register(process)
    else:
        coordinate_custom(process, traffic, orders)
        WebUi(traffic).register(environment)
    StatsBounds().register(environment)


events.init_command_line_parser.add_listener(add_soak_arguments)
events.init.add_listener(register_custom)
