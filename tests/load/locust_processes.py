"""Locust's processes and their targets, as a run starts them."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from typing import IO
from urllib.parse import urlencode

from hdrh.log import HistogramLogReader

from locustfiles.counts import new_histogram
from soak.contract import (
    LATENCY_LOG,
    LATENCY_TAG,
    LOAD_BEGAN,
    LOAD_ENDED,
    REQUESTS,
    STATS_RESET,
    TRAFFIC_READY,
    Traffic,
)
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
OTHER_ADDRESS = "127.0.0.2"
NEVER_LATE_S = 10.0
"""A ``max_lateness_s`` with which a busy machine misses nothing, for tests that count."""

TARGET = """
import http.server, json, sys, time

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        print(request["id"], time.monotonic(), file=received, flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass

received = open(sys.argv[1], "w")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
server.serve_forever()
"""
"""A target that notes the id and the arrival of each request."""


@dataclass
class Target:
    process: subprocess.Popen[str]
    url: str
    notes: Path

    def received(self) -> dict[str, float]:
        """Return the arrival of each request by its id, on the machine's monotonic clock."""
        return {line.split()[0]: float(line.split()[1]) for line in self.notes.read_text().splitlines()}


def start_process(
    stack: ExitStack, command: list[str], stderr: IO[str] | int | None = None, cwd: Path = ROOT
) -> subprocess.Popen[str]:
    process = stack.enter_context(
        subprocess.Popen(
            command,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            bufsize=1,
        )
    )
    stack.callback(process.kill)
    return process


def read_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def with_targets(stack: ExitStack, traffic: Traffic) -> tuple[Traffic, dict[str, Target]]:
    targets = {}
    for arm in ("leaky", "fixed"):
        directory = Path(traffic.out_dir, arm)
        directory.mkdir()
        notes = directory / "received.txt"
        process = start_process(stack, [sys.executable, "-c", TARGET, str(notes)])
        targets[arm] = Target(process, f"http://127.0.0.1:{read_line(process)}", notes)
    return replace(traffic, arms={arm: target.url for arm, target in targets.items()}), targets


def locust_command(traffic: Traffic, *options: str) -> list[str]:
    plan = Path(traffic.out_dir, "traffic.json")
    plan.write_text(traffic.to_json())
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/planned_load.py", "--loglevel", "WARNING"]
    return [*command, "--traffic", str(plan), *options]


def start_locust(
    stack: ExitStack, traffic: Traffic, *options: str, headless: bool = True
) -> subprocess.Popen[str]:
    options = (*options, "--headless", "--only-summary") if headless else options
    with Path(traffic.out_dir, "locust.log").open("w") as stderr:
        return start_process(stack, locust_command(traffic, *options), stderr)


def start_worker(
    stack: ExitStack, traffic: Traffic, port: int, host: str = "127.0.0.1"
) -> subprocess.Popen[str]:
    """Start a worker on a copy of the plan whose run directory does not exist."""
    copied = replace(traffic, out_dir=str(Path(traffic.out_dir, "elsewhere")), t0_monotonic_s=0.0)
    plan = Path(traffic.out_dir, "copy.json")
    plan.write_text(copied.to_json())
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/planned_load.py", "--loglevel", "WARNING"]
    where = ["--worker", "--master-host", host, "--master-port", str(port)]
    return start_process(stack, [*command, "--traffic", str(plan), *where], subprocess.PIPE)


def start_master(
    stack: ExitStack, traffic: Traffic, port: int, workers: int, host: str = "127.0.0.1"
) -> subprocess.Popen[str]:
    where = ("--master-bind-host", host, "--master-bind-port", str(port))
    return start_locust(stack, traffic, "--master", *where, "--expect-workers", str(workers))


def log_of(traffic: Traffic) -> str:
    return Path(traffic.out_dir, "locust.log").read_text()


def start_load(locust: subprocess.Popen[str], traffic: Traffic) -> float:
    """Wait until Locust is ready and give the order; return the start, ``t_s``."""
    assert read_line(locust) == TRAFFIC_READY
    start_s = time.monotonic() - traffic.t0_monotonic_s + 0.1
    assert locust.stdin is not None
    locust.stdin.write(f"start {start_s}\n")
    assert read_line(locust) == f"{LOAD_BEGAN} {start_s:.3f} {start_s + traffic.warmup_s:.3f}"
    return start_s


def rows_of(traffic: Traffic, arm: str) -> list[dict[str, str]]:
    with Path(traffic.out_dir, arm, REQUESTS).open(newline="") as file:
        return list(csv.DictReader(file))


def answers_of(traffic: Traffic, arm: str) -> int:
    """Return how many requests are in the histograms of an arm's latency."""
    reader = HistogramLogReader(str(Path(traffic.out_dir, arm, LATENCY_LOG)), new_histogram())
    try:
        intervals = list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()
    return sum(int(found.get_total_count()) for found in intervals if found.get_tag() == LATENCY_TAG)


def total_of(rows: list[dict[str, str]], *columns: str) -> int:
    return sum(int(row[column]) for row in rows for column in columns)


def wait_for(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)  # files, ports and what Locust prints offer no event to await


class WebUi:
    """Locust's web UI as a browser uses it, and what Locust prints meanwhile."""

    def __init__(self, locust: subprocess.Popen[str], port: int) -> None:
        self.port = port
        self.locust = locust
        assert read_line(self.locust) == TRAFFIC_READY

    def post(self, path: str, **fields: object) -> None:
        self._ask("POST", path, urlencode(fields))

    def _ask(self, method: str, path: str, form: str | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with closing(connection):
            connection.request(method, path, form, {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read()

    def start(self, user_count: int = 1) -> tuple[float, float]:
        """Press Start, with a host of which no user can be made; return the starts of warm-up and load.

        The supervisor is ready for a load only after Start, which waits for it.
        """
        self.post("/swarm", host="nowhere", user_count=user_count, spawn_rate=user_count)
        assert self.locust.stdin is not None
        self.locust.stdin.write("idle\n")
        self.locust.stdin.flush()
        began = read_line(self.locust)
        assert began.startswith(LOAD_BEGAN)
        warmup_s, load_s = map(float, began.removeprefix(LOAD_BEGAN).split())
        return warmup_s, load_s

    def reset_stats(self) -> None:
        self.post("/stats/reset")
        assert read_line(self.locust) == STATS_RESET

    def ended_s(self) -> float:
        ended = read_line(self.locust)
        assert ended.startswith(LOAD_ENDED)
        return float(ended.removeprefix(LOAD_ENDED))

    def stopped(self) -> bool:
        return bool(json.loads(self._ask("GET", "/stats/requests"))["state"] == "stopped")

    def workers(self) -> list[str]:
        """Return the state of each worker; a Start counts on those that are ready."""
        return [worker["state"] for worker in json.loads(self._ask("GET", "/stats/requests"))["workers"]]

    def close(self) -> int:
        assert self.locust.stdin is not None
        self.locust.stdin.close()
        return self.locust.wait(PATIENCE_S)


def web_options() -> tuple[int, tuple[str, ...]]:
    """Return a free port and the options that put the web UI there."""
    port = free_port()
    return port, ("--web-host", "127.0.0.1", "--web-port", str(port))
