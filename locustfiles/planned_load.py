"""The locustfile: ``locust -f locustfiles/planned_load.py --headless --only-summary --traffic runs/x/traffic.json``.

Locust's own ``--master`` and ``--worker`` split the load; without ``--headless`` its web UI starts and stops it.
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

from locustfiles.master.recorder import CannotRecordError
from locustfiles.roles import set_up
from locustfiles.schedule.plan_file import TrafficFileError, read_traffic
from locustfiles.worker.user import ArmUser
from soak.errors import EXIT_HARNESS_FAILED, EXIT_USAGE

__all__ = ["ArmUser"]  # Locust wants a user class in the file; ``set_up`` puts one for each arm in its place.


def add_arguments(parser: LocustArgumentParser, **_: object) -> None:
    """Add our option to Locust's."""
    parser.add_argument(
        "--traffic",
        required=True,
        include_in_web_ui=False,
        help="traffic.json, the planned load that `soak run` wrote",
    )


def register(environment: Environment, **_: object) -> None:
    """Set up the load; exits with code 2 when the plan is bad, with 1 when nothing can be recorded."""
    options = cast(Namespace, environment.parsed_options)
    # Unbuffered: gevent's buffer would hold a line back until it is full.
    orders = FileObject(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    try:
        set_up(environment, read_traffic(Path(options.traffic)), orders)
    except (TrafficFileError, CannotRecordError) as error:
        print(error, file=sys.stderr)
        sys.exit(EXIT_USAGE if isinstance(error, TrafficFileError) else EXIT_HARNESS_FAILED)


events.init_command_line_parser.add_listener(add_arguments)
events.init.add_listener(register)
