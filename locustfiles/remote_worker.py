"""Joins a run from another machine: ``python -m locustfiles.remote_worker HOST:PORT``.

It asks the run's Locust master for the plan and becomes a worker of that master. No file is written.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from uuid import uuid4

import gevent
from locust.rpc import Message
from locust.rpc.zmqrpc import Client

from locustfiles.messages import PLAN
from soak.errors import EXIT_HARNESS_FAILED, EXIT_USAGE, exit_on_error

ASK_EVERY_S = 2.0
JOIN_TIMEOUT_S = 600.0


def ask_for_plan(host: str, port: int) -> str | None:
    """Return the text of the run's ``traffic.json``; None when no master has answered in time."""
    name = f"{socket.gethostname()}_{uuid4().hex}"
    client = Client(host, port, name)
    try:
        with gevent.Timeout(JOIN_TIMEOUT_S, False):
            while True:
                client.send(Message(PLAN, None, name))
                with gevent.Timeout(ASK_EVERY_S, False):
                    return str(client.recv().data["traffic"])
    finally:
        client.close(linger=0)
    return None


def worker_command(plan: str, host: str, port: int) -> list[str]:
    """Return the command of a worker with that plan."""
    locustfile = Path(__file__).with_name("planned_load.py")
    command = [sys.executable, "-P", "-m", "locust", "-f", str(locustfile), "--loglevel", "WARNING"]
    return [*command, "--traffic", plan, "--worker", "--master-host", host, "--master-port", str(port)]


def join_run(arguments: list[str]) -> int:
    """Become a worker of the run; return an exit code when that fails."""
    match = re.fullmatch(r"([^\s:]+):(\d{1,5})", arguments[0] if len(arguments) == 1 else "")
    if match is None or not 0 < int(match[2]) < 2**16:
        print("give the address that the run printed, HOST:PORT", file=sys.stderr)
        return EXIT_USAGE
    host, port = match[1], int(match[2])
    print(f"asking {host}:{port} for the plan of the run", flush=True)
    plan = ask_for_plan(host, port)
    if plan is None:
        print(
            f"no run answered at {host}:{port} within {JOIN_TIMEOUT_S:g} s; start it first, and check that the port is "
            "open",
            file=sys.stderr,
        )
        return EXIT_HARNESS_FAILED
    # In memory: this machine has no run directory, and a worker that is killed leaves no file.
    file = os.memfd_create("traffic.json", 0)
    os.write(file, plan.encode())
    command = worker_command(f"/proc/self/fd/{file}", host, port)
    print("joined; the run ends this worker", flush=True)
    return os.execv(command[0], command)  # noqa: S606 - a command of our own


if __name__ == "__main__":
    exit_on_error(lambda: sys.exit(join_run(sys.argv[1:])))
