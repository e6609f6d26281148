"""The planned load's requests per second of processor time, against plain users of Locust that send the same ones."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import requests

from bench.harness.estimate import Finding, Goal, estimate, ratios
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds, in_turn
from bench.harness.servers import Command, Place, Server
from bench.harness.subprocesses import ROOT
from soak.contract import TRAFFIC_READY, Traffic
from soak.errors import HarnessError
from soak.process.log import last_words

PLANNED, PLAIN = "planned load", "plain FastHttpUser"
PLAIN_AT_MOST: Final = 0.0
"""In place of a pace: plain users send as fast as they are answered."""
USERS: Final = 16
"""Users of either load in all."""
WARM_UP_S: Final = 1.5
"""Load before that which counts, seconds."""
TIMEOUT_S: Final = 20.0
"""Longest wait for the first answer to a load, seconds."""


@dataclass(frozen=True, slots=True)
class Matchup:
    """A rate of the planned load and what it is compared with."""

    name: str
    rate_rps: float
    """Rate of the planned load to both arms together, requests per second."""
    plain_rps: float
    """Rate of all plain users together, requests per second; PLAIN_AT_MOST, or that of the planned load."""


MATCHUPS: Final = (
    Matchup("planned load at 4,000/s / FastHttpUser at its most", 4000.0, PLAIN_AT_MOST),
    Matchup("planned load / FastHttpUser, both at 600/s", 600.0, 600.0),
)


def compare_loads(place: Place, rounds: Rounds, progress: Progress) -> list[Finding]:
    """Return the ratios of requests per second of processor time of a Locust process, planned to plain.

    Each round has processes of its own. Raises HarnessError when a load does not begin.
    """
    found = []
    with place.serving(Command("answering", ("-m", "bench.targets.answering"))) as server:
        for matchup in MATCHUPS:
            rates: dict[str, list[float]] = {PLANNED: [], PLAIN: []}
            for number in range(rounds.count):
                for name in in_turn(tuple(rates), number):
                    rates[name].append(_requests_per_cpu_s(place, server, name, matchup, rounds.seconds))
                latest = ", ".join(f"{name} {values[-1]:,.0f}" for name, values in rates.items())
                progress.say(f"requests per second of CPU, round {number + 1} of {rounds.count}: {latest}")
            ratio = estimate(ratios(rates[PLANNED], rates[PLAIN]))
            found.append(Finding(matchup.name, Goal(0.9, at_least=True), "x", ratio))
    return found


def _requests_per_cpu_s(place: Place, server: Server, name: str, matchup: Matchup, seconds: float) -> float:
    url = f"http://127.0.0.1:{server.port}"
    with _locust(place, name, url, matchup) as locust:
        before, deadline_s = _answered(url), time.monotonic() + TIMEOUT_S
        while _answered(url) == before:
            if locust.poll() is not None or time.monotonic() > deadline_s:
                log = place.directory / "locust.log"
                raise HarnessError(f"{name} does not begin. The last lines of its output:\n{last_words(log)}")
            time.sleep(0.05)
        time.sleep(WARM_UP_S)
        before, cpu_s = _answered(url), _cpu_s(locust.pid)
        time.sleep(seconds)
        return (_answered(url) - before) / (_cpu_s(locust.pid) - cpu_s)


def _answered(url: str) -> int:
    return int(requests.get(f"{url}/answered", timeout=TIMEOUT_S).text)


def _cpu_s(pid: int) -> float:
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@contextmanager
def _locust(place: Place, name: str, url: str, matchup: Matchup) -> Iterator[subprocess.Popen[str]]:
    """Start Locust with one of the loads; end it at the end of the block."""
    planned = name == PLANNED
    options = _planned_options(place.directory, url, matchup.rate_rps) if planned else _plain_options(url)
    pace = {} if planned or not matchup.plain_rps else {"PACE_RPS": str(matchup.plain_rps / USERS)}
    words = [
        sys.executable,
        "-m",
        "locust",
        "--headless",
        "--only-summary",
        "--loglevel",
        "WARNING",
        *options,
    ]
    with (
        (place.directory / "locust.log").open("w") as log,
        subprocess.Popen(
            words,
            cwd=ROOT,
            env=os.environ | pace,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            bufsize=1,
        ) as locust,
    ):
        try:
            if planned:
                assert locust.stdout is not None and locust.stdin is not None  # noqa: S101, PT018
                if locust.stdout.readline().strip() == TRAFFIC_READY:
                    locust.stdin.write(f"start {time.monotonic() + 0.1}\n")
            yield locust
        finally:
            locust.kill()


def _plain_options(url: str) -> list[str]:
    return [
        "-f", "bench/targets/plain_load.py", "--host", url,
        "--users", str(USERS), "--spawn-rate", str(USERS),
    ]  # fmt: skip


def _planned_options(directory: Path, url: str, rate_rps: float) -> list[str]:
    arms = {"one": url, "other": url}
    for arm in arms:
        (directory / arm).mkdir(exist_ok=True)
    traffic = Traffic(
        seed=1,
        t0_monotonic_s=0.0,
        out_dir=str(directory),
        arms=arms,
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
        rate_rps=rate_rps / len(arms),
        request_bytes=256,
        users_per_arm=USERS // len(arms),
        max_lateness_s=1.0,
        network_timeout_s=10.0,
    )
    plan = directory / "traffic.json"
    plan.write_text(traffic.to_json())
    return ["-f", "locustfiles/planned_load.py", "--traffic", str(plan)]
