"""Loads of Locust against one target, as processes of their own, and what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import requests

from bench.harness.load_client import HOST
from bench.harness.servers import Place, Server, cpu_s, free_port
from bench.harness.subprocesses import ROOT
from soak.contract import TRAFFIC_READY, Traffic
from soak.errors import HarnessError
from soak.process.log import last_words

USERS: Final = 16
"""Users of a load in each process that sends."""
WARM_UP_S: Final = 1.5
"""Load before that which counts, seconds."""
TIMEOUT_S: Final = 20.0
"""Longest wait for the first answer to a load, seconds."""
ARMS: Final = ("one", "other")


@dataclass(frozen=True, slots=True)
class Load:
    """A load of Locust."""

    planned: bool
    """Whether it is the planned load, to two arms; else plain FastHttpUsers send the same requests."""
    rps: float = 0.0
    """Requests per second in all; 0: as many as are answered, of plain users."""
    workers: int = 0
    """Number of workers beside a master; 0: one process does both."""
    apart: bool = False
    """Whether plain users with a rate each begin at an instant of their own; else all send at the same instants."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a load sent, and what that cost."""

    rps: float
    """Requests answered per second."""
    per_cpu_s: float
    """Requests per second of processor time, user and system, of the processes that send."""

    @property
    def cores(self) -> float:
        """Processor time of the processes that send, as a share of a core."""
        return self.rps / self.per_cpu_s


def cost_of(place: Place, server: Server, load: Load, seconds: float) -> Cost:
    """Run a load and measure it for some seconds; raises HarnessError when it does not begin or ends early."""
    with _senders(place, server, load) as senders:
        before, deadline_s = _answered(server), time.monotonic() + TIMEOUT_S
        while _answered(server) == before:
            if time.monotonic() > deadline_s or any(sender.poll() is not None for sender in senders):
                log = place.directory / "locust.log"
                raise HarnessError(
                    f"the load does not begin. The last lines of its output:\n{last_words(log)}"
                )
            time.sleep(0.05)
        time.sleep(WARM_UP_S)
        before, began_s, spent_s = _answered(server), time.monotonic(), _cpu_s(senders)
        time.sleep(seconds)
        answered, took_s = _answered(server) - before, time.monotonic() - began_s
        return Cost(answered / took_s, answered / (_cpu_s(senders) - spent_s))


def _answered(server: Server) -> int:
    return int(requests.get(f"http://{HOST}:{server.port}/answered", timeout=TIMEOUT_S).text)


def _cpu_s(processes: Sequence[subprocess.Popen[str]]) -> float:
    return sum(cpu_s(process.pid) for process in processes)


@contextmanager
def _senders(place: Place, server: Server, load: Load) -> Iterator[list[subprocess.Popen[str]]]:
    """Start a load and yield the processes that send; end all of it at the end of the block."""
    url = f"http://{HOST}:{server.port}"
    with ExitStack() as stack:
        log = stack.enter_context((place.directory / "locust.log").open("w"))

        def start(*options: str, **environment: str) -> subprocess.Popen[str]:
            words = [sys.executable, "-m", "locust", "--loglevel", "WARNING", *options]
            process = stack.enter_context(
                subprocess.Popen(
                    words, cwd=ROOT, env=os.environ | environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                    stderr=log, text=True, bufsize=1,
                )
            )  # fmt: skip
            stack.callback(process.kill)
            return process

        headless = ("--headless", "--only-summary")
        if load.planned:
            plan = str(_plan(place.directory, url, load.rps))
            words: tuple[str, ...] = ("-f", "locustfiles/planned_load.py", "--traffic", plan)
            users: tuple[str, ...] = ()
            environment = {}
        else:
            count = USERS * max(load.workers, 1)
            words = ("-f", "bench/targets/plain_load.py", "--host", url)
            users = ("--users", str(count), "--spawn-rate", str(count))
            environment = {"PACE_RPS": str(load.rps / count)} if load.rps else {}
            environment |= {"APART": "1"} if load.apart else {}
        if load.workers:
            port = str(free_port())
            bind = ("--master-bind-host", HOST, "--master-bind-port", port)
            expect = ("--expect-workers", str(load.workers))
            first = start(*words, "--master", *bind, *expect, *users, *headless)
            there = ("--master-host", HOST, "--master-port", port)
            senders = [start(*words, "--worker", *there, **environment) for _ in range(load.workers)]
        else:
            first = start(*words, *users, *headless, **environment)
            senders = [first]
        if load.planned:
            _begin(first)
        yield senders


def _begin(locust: subprocess.Popen[str]) -> None:
    assert locust.stdout is not None and locust.stdin is not None  # noqa: S101, PT018  they are pipes
    if locust.stdout.readline().strip() == TRAFFIC_READY:
        locust.stdin.write(f"start {time.monotonic() + 0.1}\n")


def _plan(directory: Path, url: str, rps: float) -> Path:
    """Write the plan of a load of an hour and return its path."""
    for arm in ARMS:
        (directory / arm).mkdir(exist_ok=True)
    traffic = Traffic(
        seed=1,
        t0_monotonic_s=0.0,
        out_dir=str(directory),
        arms=dict.fromkeys(ARMS, url),
        path="/api/{service}",
        services=("orders",),
        instances_per_hour=50.0,
        instances_live=4,
        hour_s=3600.0,
        warmup_s=0.0,
        warmup_rps=0.0,
        warmup_request_bytes=0,
        shape="steady",
        load_s=3600.0,
        rate_rps=rps / len(ARMS),
        request_bytes=256,
        users_per_arm=USERS // len(ARMS),
        max_lateness_s=1.0,
        network_timeout_s=10.0,
    )
    path = directory / "traffic.json"
    path.write_text(traffic.to_json())
    return path
