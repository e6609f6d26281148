"""The plugin for a custom locustfile, which custom_load.py adds to Locust: ``--soak-traffic traffic.json``.

It runs as Locust's master and as one worker for each arm, ``--worker --soak-arm NAME``; in a replay as the one process
of ``--soak-replay --soak-arm NAME``.
"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import BinaryIO, cast

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import WorkerRunner

from locustfiles.answers import fast_http, requests_http
from locustfiles.answers.bounds import AnswerBounds
from locustfiles.custom.coordinator import coordinate_custom
from locustfiles.custom.replay import replay_custom
from locustfiles.custom.sender import CustomSender
from locustfiles.locust_process import LocustProcess, listen_first, set_up
from locustfiles.schedule.plan_file import read_traffic
from locustfiles.stats_bounds import bound_statistics
from locustfiles.web.extension import WebUi
from locustfiles.worker.reporter import MasterClock, Reporter
from soak.contract import Traffic


def add_soak_arguments(parser: LocustArgumentParser, **_: object) -> None:
    """Add our options to Locust's; their prefix keeps them apart from the locustfile's own."""
    parser.add_argument(
        "--soak-traffic", required=True, include_in_web_ui=False, help="traffic.json, which `soak run` wrote"
    )
    parser.add_argument("--soak-arm", default="", include_in_web_ui=False, help="the arm of this worker")
    parser.add_argument(
        "--soak-replay", action="store_true", include_in_web_ui=False, help="replay the load of that arm"
    )


def register_custom(environment: Environment, **_: object) -> None:
    """Let the process coordinate and record (the master) or send to its arm (a worker)."""
    set_up(environment, _set_up_custom)


def _set_up_custom(process: LocustProcess, orders: BinaryIO) -> None:
    options = cast(Namespace, process.environment.parsed_options)
    traffic = read_traffic(Path(options.soak_traffic))
    if options.soak_replay:
        replay_custom(process, traffic, options.soak_arm, orders)
        _bound_answers(process.environment, traffic)
    elif isinstance(process.runner, WorkerRunner):
        clock = MasterClock()
        sender = CustomSender(traffic, options.soak_arm, clock)
        sender.register(process)
        Reporter(traffic, sender, clock).register(process)
        _bound_answers(process.environment, traffic)
    else:
        coordinate_custom(process, traffic, orders)
        WebUi(traffic).register(process.environment)
    bound_statistics(process.environment)


def _bound_answers(environment: Environment, traffic: Traffic) -> None:
    bounds = AnswerBounds.of_whole_answers(traffic.max_response, traffic.network_timeout_s)
    for client in (fast_http, requests_http):
        client.bound_answers(bounds)
        client.bound_requests(bounds)
    listen_first(environment.events.request, fast_http.end_deadline)


events.init_command_line_parser.add_listener(add_soak_arguments)
events.init.add_listener(register_custom)
