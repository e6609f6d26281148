"""The locustfile of the planned load, given to Locust with ``-f``; ``--traffic`` names the run's ``traffic.json``.

Locust's own ``--master`` and ``--worker`` split the load; ``--replay ARM`` replays that of an arm. Without
``--headless`` its web UI starts and stops it.
"""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import BinaryIO, cast

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from locustfiles.answers import fast_http
from locustfiles.answers.bounds import AnswerBounds
from locustfiles.locust_process import LocustProcess, set_up
from locustfiles.master.coordinator import coordinate_planned
from locustfiles.replay.planned import replay_planned
from locustfiles.schedule.plan_file import read_traffic
from locustfiles.schedule.requests import Mix
from locustfiles.stats_bounds import bound_statistics
from locustfiles.web.extension import WebUi
from locustfiles.worker.reporter import MasterClock, Reporter
from locustfiles.worker.sender import PlannedSender
from locustfiles.worker.user import ArmUser

__all__ = ["ArmUser"]  # Locust requires a user class here; ``register`` replaces it by one for each arm.


def add_arguments(parser: LocustArgumentParser, **_: object) -> None:
    """Add our option to Locust's."""
    parser.add_argument(
        "--traffic",
        required=True,
        include_in_web_ui=False,
        help="traffic.json, the planned load that `soak run` wrote",
    )
    parser.add_argument("--replay", default="", include_in_web_ui=False, help="replay the load of this arm")


def register(environment: Environment, **_: object) -> None:
    """Let the process coordinate and record (a master), send (a worker) or do both."""
    set_up(environment, _set_up_planned)


def _set_up_planned(process: LocustProcess, orders: BinaryIO) -> None:
    environment = process.environment
    options = cast(Namespace, environment.parsed_options)
    traffic = read_traffic(Path(options.traffic))
    if options.replay:
        replay_planned(process, traffic, options.replay, orders)
        bound_statistics(environment)
        return
    clock = MasterClock()
    sender = PlannedSender(traffic, clock, report=environment.events.request.fire)
    environment.user_classes = list(sender.user_classes)
    if not isinstance(process.runner, WorkerRunner):
        coordinate_planned(process, traffic, orders)
        WebUi(traffic).register(environment)
    if not isinstance(process.runner, MasterRunner):
        Mix(traffic, os.environ)  # raises here what would otherwise end the load
        Reporter(traffic, sender, clock).register(process)
        fast_http.bound_answers(AnswerBounds(traffic.max_response, traffic.network_timeout_s))
    bound_statistics(environment)


events.init_command_line_parser.add_listener(add_arguments)
events.init.add_listener(register)
