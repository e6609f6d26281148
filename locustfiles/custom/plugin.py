"""The plugin for a team's own locustfile, which custom_load.py puts into Locust: ``--soak-traffic traffic.json``.

It runs as Locust's master and as one worker for each arm, ``--worker --soak-arm NAME``.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from typing import cast

from gevent.fileobject import FileObject
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from locustfiles.custom.coordinator import OwnLoad
from locustfiles.custom.sender import OwnSender
from locustfiles.master.recorder import CannotRecordError
from locustfiles.schedule.plan_file import TrafficFileError, read_traffic
from locustfiles.stats_bounds import StatsUpkeep
from locustfiles.web.extension import WebUi
from soak.errors import EXIT_HARNESS_FAILED, EXIT_OK, EXIT_USAGE


def add_arguments(parser: LocustArgumentParser, **_: object) -> None:
    """Add our options to Locust's; their names leave the team's alone."""
    parser.add_argument(
        "--soak-traffic", required=True, include_in_web_ui=False, help="traffic.json, which `soak run` wrote"
    )
    parser.add_argument("--soak-arm", default="", include_in_web_ui=False, help="the arm of this worker")


def register(environment: Environment, **_: object) -> None:
    """Set up the process's part; exits with code 2 when the plan is bad, with 1 when nothing can be recorded."""
    options = cast(Namespace, environment.parsed_options)
    # Otherwise Locust makes one from the failed requests, and those are for the report to judge.
    environment.process_exit_code = EXIT_OK
    try:
        traffic = read_traffic(Path(options.soak_traffic))
        if isinstance(environment.runner, WorkerRunner):
            OwnSender(traffic, options.soak_arm).register(environment)
        else:
            # Unbuffered: gevent's buffer would hold a line back until it is full.
            orders = FileObject(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
            OwnLoad(traffic, orders).register(environment)
            WebUi(traffic).register(environment)
    except (TrafficFileError, CannotRecordError) as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_USAGE if isinstance(error, TrafficFileError) else EXIT_HARNESS_FAILED)
    StatsUpkeep().register(environment)


events.init_command_line_parser.add_listener(add_arguments)
events.init.add_listener(register)
