from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pytest

from locustfiles.schedule import schedule
from soak.contract import FAILURE_KINDS, LATENCY_LOG, REQUESTS, TRAFFIC_READY, Traffic

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0

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


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """Return a stack that ends the processes a test starts."""
    with ExitStack() as stack:
        yield stack


def _start(stack: ExitStack, command: list[str], stderr: IO[str] | None = None) -> subprocess.Popen[str]:
    process = stack.enter_context(
        subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            bufsize=1,
        )
    )
    stack.callback(process.kill)
    return process


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    """Return a load of four seconds without arms."""
    return Traffic(
        seed=3,
        t0_monotonic_s=time.monotonic(),
        out_dir=str(tmp_path),
        arms={},
        path="/api/{service}",
        services=("orders",),
        instances_per_hour=50.0,
        instances_live=4,
        hour_s=30.0,
        warmup_s=0.5,
        warmup_rps=20.0,
        warmup_request_bytes=200,
        shape="steady",
        load_s=4.0,
        rate_rps=60.0,
        request_bytes=5000,
        users_per_arm=8,
        max_lateness_s=1.0,
        network_timeout_s=6.0,
    )


def _with_targets(stack: ExitStack, traffic: Traffic) -> tuple[Traffic, dict[str, Target]]:
    targets = {}
    for arm in ("leaky", "fixed"):
        directory = Path(traffic.out_dir, arm)
        directory.mkdir()
        notes = directory / "received.txt"
        process = _start(stack, [sys.executable, "-c", TARGET, str(notes)])
        targets[arm] = Target(process, f"http://127.0.0.1:{_line(process)}", notes)
    return replace(traffic, arms={arm: target.url for arm, target in targets.items()}), targets


def _start_locust(stack: ExitStack, traffic: Traffic) -> subprocess.Popen[str]:
    plan = Path(traffic.out_dir, "traffic.json")
    plan.write_text(traffic.to_json())
    command = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        "locustfiles/soak_traffic.py",
        "--headless",
        "--only-summary",
    ]
    with Path(traffic.out_dir, "locust.log").open("w") as stderr:
        return _start(stack, [*command, "--traffic", str(plan)], stderr)


def _start_load(locust: subprocess.Popen[str], traffic: Traffic) -> float:
    """Wait until Locust is ready and give the order; return the start, ``t_s``."""
    assert _line(locust) == TRAFFIC_READY
    start_s = time.monotonic() - traffic.t0_monotonic_s + 0.1
    assert locust.stdin is not None
    locust.stdin.write(f"start {start_s}\n")
    return start_s


def _rows(traffic: Traffic, arm: str) -> list[dict[str, str]]:
    with Path(traffic.out_dir, arm, REQUESTS).open(newline="") as file:
        return list(csv.DictReader(file))


def _total(rows: list[dict[str, str]], *columns: str) -> int:
    return sum(int(row[column]) for row in rows for column in columns)


def _wait_for(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_freezing_one_arm_does_not_disturb_the_other(processes: ExitStack, traffic: Traffic) -> None:
    """While one target is stopped the other gets every request in time; what the stopped one missed stays unsent."""
    traffic, targets = _with_targets(processes, traffic)
    locust = _start_locust(processes, traffic)
    start_s = _start_load(locust, traffic)
    frozen_s, thawed_s = start_s + 1.2, start_s + 3.4
    for at_s, order in ((frozen_s, signal.SIGSTOP), (thawed_s, signal.SIGCONT)):
        time.sleep(traffic.t0_monotonic_s + at_s - time.monotonic())
        targets["leaky"].process.send_signal(order)
    assert locust.wait(PATIENCE_S) == 0

    planned_s = {json.loads(item.body)["id"]: item.planned_s for item in schedule(traffic, start_s)}
    assert len(planned_s) == 250
    for arm in traffic.arms:
        rows = _rows(traffic, arm)
        assert _total(rows, "planned") == 250 == _total(rows, "sent", "missed")
        assert _total(rows, "sent") == _total(rows, "ok", *(f"failed_{kind}" for kind in FAILURE_KINDS))
        assert _total(rows, "sent") == len(targets[arm].received())
        assert Path(traffic.out_dir, arm, LATENCY_LOG).stat().st_size > 0

    fixed = _rows(traffic, "fixed")
    assert _total(fixed, "missed") == 0
    assert _total(fixed, "ok") == 250
    assert max(float(row["latency_p99_ms"] or 0) for row in fixed) < 500

    leaky, leaky_ids = _rows(traffic, "leaky"), targets["leaky"].received()
    assert _total(leaky, "missed") > 50
    early = {name for name, at_s in planned_s.items() if at_s < frozen_s - 0.3}
    assert early
    assert early <= set(leaky_ids)
    assert early <= set(targets["fixed"].received())
    # What a user had sent before or into the freeze is read after it; one request a user, no more.
    late = [name for name, at_s in leaky_ids.items() if at_s - traffic.t0_monotonic_s - planned_s[name] > 1.2]
    assert len(late) <= traffic.users_per_arm


def test_sigterm_keeps_what_is_recorded(processes: ExitStack, traffic: Traffic) -> None:
    """SIGTERM in the middle of a load of hours ends it at once, and the rows up to then agree."""
    traffic, targets = _with_targets(processes, replace(traffic, load_s=9000.0))
    locust = _start_locust(processes, traffic)
    _start_load(locust, traffic)
    _wait_for(lambda: len(targets["fixed"].received()) > 30)
    locust.send_signal(signal.SIGTERM)
    assert locust.wait(PATIENCE_S) == 0
    rows = _rows(traffic, "fixed")
    assert _total(rows, "planned") == _total(rows, "sent", "missed") > 30
    assert 0 <= _total(rows, "sent") - _total(rows, "ok") <= traffic.users_per_arm


def test_the_end_of_standard_input_ends_it(processes: ExitStack, traffic: Traffic) -> None:
    """When the supervisor is gone nobody waits for the load: it quits, started or not."""
    traffic, targets = _with_targets(processes, replace(traffic, load_s=9000.0))
    locust = _start_locust(processes, traffic)
    _start_load(locust, traffic)
    _wait_for(targets["leaky"].received)
    assert locust.stdin is not None
    locust.stdin.close()
    assert locust.wait(PATIENCE_S) == 0


def test_a_bad_plan(processes: ExitStack, traffic: Traffic) -> None:
    """A plan without arms is one line on stderr that names file and key, and exit code 2."""
    locust = _start_locust(processes, traffic)
    assert locust.wait(PATIENCE_S) == 2
    (line,) = [
        line
        for line in Path(traffic.out_dir, "locust.log").read_text().splitlines()
        if "locust.main" not in line
    ]
    assert line == f"{traffic.out_dir}/traffic.json: arms is {{}}; it must give at least one arm its URL"


def test_a_full_disk(processes: ExitStack, traffic: Traffic) -> None:
    """A disk that is full is one line on stderr that names the file, and exit code 1."""
    traffic, _ = _with_targets(processes, traffic)
    Path(traffic.out_dir, "fixed", REQUESTS).symlink_to("/dev/full")
    locust = _start_locust(processes, traffic)
    assert locust.wait(PATIENCE_S) == 1
    log = Path(traffic.out_dir, "locust.log").read_text()
    assert (
        f"{traffic.out_dir}/fixed/{REQUESTS}: the recording cannot be written: No space left on device" in log
    )
    assert "Traceback" not in log
