from __future__ import annotations

import csv
import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path
from statistics import median
from typing import IO
from urllib.parse import urlencode

import pytest
from hdrh.log import HistogramLogReader

from locustfiles.schedule import schedule
from locustfiles.timings import new_histogram
from soak.contract import (
    FAILURE_KINDS,
    LATENCY_LOG,
    LATENCY_TAG,
    LOAD_BEGAN,
    LOAD_ENDED,
    REQUESTS,
    TRAFFIC_READY,
    Traffic,
)

pytestmark = pytest.mark.integration

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 30.0
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


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """Return a stack that ends the processes a test starts."""
    with ExitStack() as stack:
        yield stack


def _start(
    stack: ExitStack, command: list[str], stderr: IO[str] | int | None = None
) -> subprocess.Popen[str]:
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


def _locust(traffic: Traffic, *options: str) -> list[str]:
    plan = Path(traffic.out_dir, "traffic.json")
    plan.write_text(traffic.to_json())
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/soak_traffic.py", "--loglevel", "WARNING"]
    return [*command, "--traffic", str(plan), *options]


def _start_locust(
    stack: ExitStack, traffic: Traffic, *options: str, headless: bool = True
) -> subprocess.Popen[str]:
    options = (*options, "--headless", "--only-summary") if headless else options
    with Path(traffic.out_dir, "locust.log").open("w") as stderr:
        return _start(stack, _locust(traffic, *options), stderr)


def _start_worker(stack: ExitStack, traffic: Traffic, port: int) -> subprocess.Popen[str]:
    """Start a worker on a copy of the plan whose run directory does not exist."""
    copied = replace(traffic, out_dir=str(Path(traffic.out_dir, "elsewhere")), t0_monotonic_s=0.0)
    plan = Path(traffic.out_dir, "copy.json")
    plan.write_text(copied.to_json())
    command = [sys.executable, "-m", "locust", "-f", "locustfiles/soak_traffic.py", "--loglevel", "WARNING"]
    where = ["--worker", "--master-host", "127.0.0.1", "--master-port", str(port)]
    return _start(stack, [*command, "--traffic", str(plan), *where], subprocess.PIPE)


def _start_master(stack: ExitStack, traffic: Traffic, port: int, workers: int) -> subprocess.Popen[str]:
    where = ("--master-bind-host", "127.0.0.1", "--master-bind-port", str(port))
    return _start_locust(stack, traffic, "--master", *where, "--expect-workers", str(workers))


def _free_port() -> int:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return int(reserved.getsockname()[1])


def _log(traffic: Traffic) -> str:
    return Path(traffic.out_dir, "locust.log").read_text()


def _start_load(locust: subprocess.Popen[str], traffic: Traffic) -> float:
    """Wait until Locust is ready and give the order; return the start, ``t_s``."""
    assert _line(locust) == TRAFFIC_READY
    start_s = time.monotonic() - traffic.t0_monotonic_s + 0.1
    assert locust.stdin is not None
    locust.stdin.write(f"start {start_s}\n")
    assert _line(locust) == f"{LOAD_BEGAN} {start_s:.3f} {start_s + traffic.warmup_s:.3f}"
    return start_s


def _rows(traffic: Traffic, arm: str) -> list[dict[str, str]]:
    with Path(traffic.out_dir, arm, REQUESTS).open(newline="") as file:
        return list(csv.DictReader(file))


def _answers(traffic: Traffic, arm: str) -> int:
    """Return how many requests are in the histograms of an arm's latency."""
    reader = HistogramLogReader(str(Path(traffic.out_dir, arm, LATENCY_LOG)), new_histogram())
    try:
        intervals = list(iter(reader.get_next_interval_histogram, None))
    finally:
        reader.close()
    return sum(int(found.get_total_count()) for found in intervals if found.get_tag() == LATENCY_TAG)


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
    (line,) = _log(traffic).splitlines()
    assert line == f"{traffic.out_dir}/traffic.json: arms is {{}}; it must give at least one arm its URL"


def test_a_full_disk(processes: ExitStack, traffic: Traffic) -> None:
    """A disk that is full is one line on stderr that names the file, and exit code 1."""
    traffic, _ = _with_targets(processes, traffic)
    Path(traffic.out_dir, "fixed", REQUESTS).symlink_to("/dev/full")
    locust = _start_locust(processes, traffic)
    assert locust.wait(PATIENCE_S) == 1
    log = _log(traffic)
    assert (
        f"{traffic.out_dir}/fixed/{REQUESTS}: the recording cannot be written: No space left on device" in log
    )
    assert "Traceback" not in log


def test_two_workers_send_what_one_process_sends(processes: ExitStack, traffic: Traffic) -> None:
    """Two workers and a master plan, send and record what one process does with the same seed, at every arm."""
    traffic = replace(traffic, load_s=2.0, max_lateness_s=NEVER_LATE_S)
    alone, targets = _with_targets(processes, traffic)
    locust = _start_locust(processes, alone)
    _start_load(locust, alone)
    assert locust.wait(PATIENCE_S) == 0
    seen_alone = {arm: set(target.received()) for arm, target in targets.items()}

    directory = Path(traffic.out_dir, "split")
    directory.mkdir()
    split, targets = _with_targets(processes, replace(traffic, out_dir=str(directory)))
    port = _free_port()
    workers = [_start_worker(processes, split, port) for _ in range(2)]
    master = _start_master(processes, split, port, 2)
    start_s = _start_load(master, split)
    assert master.wait(PATIENCE_S) == 0
    assert [worker.wait(PATIENCE_S) for worker in workers] == [0, 0]

    planned = {json.loads(item.body)["id"]: item.planned_s for item in schedule(split, start_s)}
    for arm in split.arms:
        rows = _rows(split, arm)
        for column in ("planned", "sent", "missed", "ok"):
            assert _total(rows, column) == _total(_rows(alone, arm), column), column
        received = targets[arm].received()
        assert set(received) == seen_alone[arm] == set(planned)
        late_s = [at_s - split.t0_monotonic_s - planned[name] for name, at_s in received.items()]
        assert min(late_s) > -0.05
        assert median(late_s) < 1.0
        assert _answers(split, arm) == _total(_rows(split, arm), "ok")


def test_a_worker_that_is_killed(processes: ExitStack, traffic: Traffic) -> None:
    """What a dead worker did not send is missed, the other goes on with its own share, and a line names the dead."""
    traffic, targets = _with_targets(processes, replace(traffic, max_lateness_s=NEVER_LATE_S))
    port = _free_port()
    workers = [_start_worker(processes, traffic, port) for _ in range(2)]
    master = _start_master(processes, traffic, port, 2)
    start_s = _start_load(master, traffic)
    _wait_for(lambda: len(targets["fixed"].received()) > 60)
    workers[0].kill()
    assert master.wait(PATIENCE_S) == 0
    assert workers[1].wait(PATIENCE_S) == 0
    ids = [json.loads(item.body)["id"] for item in schedule(traffic, start_s)]
    shares = [set(ids[share::2]) for share in range(2)]
    for arm in traffic.arms:
        rows = _rows(traffic, arm)
        assert _total(rows, "planned") == 250 == _total(rows, "sent", "missed")
        assert _total(rows, "missed") > 50
        received = set(targets[arm].received())
        assert sorted(len(share & received) for share in shares)[1] == 125
        # The dead worker's last second was not reported any more.
        assert 0 <= len(received) - _total(rows, "sent") < 60
    line = _log(traffic).splitlines()[0]
    assert re.fullmatch(r"worker \S+ is gone; the rest of its share counts as missed", line)


def test_a_late_worker_and_the_end_of_the_master(processes: ExitStack, traffic: Traffic) -> None:
    """A worker that joins in a load is told why it gets no share; SIGTERM to the master ends all and loses nothing."""
    traffic, targets = _with_targets(processes, replace(traffic, load_s=9000.0, max_lateness_s=NEVER_LATE_S))
    port = _free_port()
    worker = _start_worker(processes, traffic, port)
    master = _start_master(processes, traffic, port, 1)
    _start_load(master, traffic)
    late = _start_worker(processes, traffic, port)
    _, said = late.communicate(timeout=PATIENCE_S)
    assert late.returncode == 2
    assert re.fullmatch(
        r"worker \S+ gets no share of the load: it joined after the start of the load; start it before\n",
        said,
    )
    assert said in _log(traffic)
    _wait_for(lambda: len(targets["fixed"].received()) > 90)
    master.send_signal(signal.SIGTERM)
    assert master.wait(PATIENCE_S) == worker.wait(PATIENCE_S) == 0
    for arm in traffic.arms:
        rows = _rows(traffic, arm)
        assert _total(rows, "planned") == _total(rows, "sent") == _total(rows, "ok")
        assert _total(rows, "ok") == _answers(traffic, arm) == len(targets[arm].received()) > 90


class WebUi:
    """Locust's web UI as a browser uses it, and what Locust prints meanwhile."""

    def __init__(self, stack: ExitStack, traffic: Traffic) -> None:
        self.port = _free_port()
        where = ("--web-host", "127.0.0.1", "--web-port", str(self.port))
        self.locust = _start_locust(stack, traffic, *where, headless=False)
        assert _line(self.locust) == TRAFFIC_READY

    def post(self, path: str, **fields: object) -> None:
        self._ask("POST", path, urlencode(fields))

    def _ask(self, method: str, path: str, form: str | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        with closing(connection):
            connection.request(method, path, form, {"Content-Type": "application/x-www-form-urlencoded"})
            answer = connection.getresponse()
            assert answer.status == 200
            return answer.read()

    def start(self) -> tuple[float, float]:
        """Press Start, with a host of which no user can be made; return the starts of warm-up and load.

        The supervisor is ready for a load only after Start, which waits for it.
        """
        self.post("/swarm", host="nowhere", user_count=1, spawn_rate=1)
        assert self.locust.stdin is not None
        self.locust.stdin.write("idle\n")
        self.locust.stdin.flush()
        began = _line(self.locust)
        assert began.startswith(LOAD_BEGAN)
        warmup_s, load_s = map(float, began.removeprefix(LOAD_BEGAN).split())
        return warmup_s, load_s

    def ended_s(self) -> float:
        ended = _line(self.locust)
        assert ended.startswith(LOAD_ENDED)
        return float(ended.removeprefix(LOAD_ENDED))

    def stopped(self) -> bool:
        return bool(json.loads(self._ask("GET", "/stats/requests"))["state"] == "stopped")

    def close(self) -> int:
        assert self.locust.stdin is not None
        self.locust.stdin.close()
        return self.locust.wait(PATIENCE_S)


def test_stop_in_the_web_ui(processes: ExitStack, traffic: Traffic) -> None:
    """Stop ends a load and its drain; a second Start, new fields and a reset in it change nothing and lose nothing."""
    traffic, targets = _with_targets(processes, replace(traffic, max_lateness_s=NEVER_LATE_S))
    web = WebUi(processes, traffic)
    warmup_s, load_s = web.start()
    assert warmup_s == int(warmup_s)
    assert load_s == warmup_s + traffic.warmup_s
    _wait_for(lambda: len(targets["fixed"].received()) > 30)
    web.post("/swarm", host=targets["leaky"].url, user_count=9, spawn_rate=9)
    web.post("/stats/reset")
    _wait_for(lambda: len(targets["fixed"].received()) > 60)
    web.post("/stop")
    assert web.ended_s() > warmup_s
    rows = {arm: _rows(traffic, arm) for arm in traffic.arms}
    for arm, target in targets.items():
        assert _total(rows[arm], "planned") == _total(rows[arm], "ok") == len(target.received())
        assert 60 < len(target.received()) < 250

    web.start()
    web.post("/stop")
    web.ended_s()
    assert web.close() == 0
    assert rows == {arm: _rows(traffic, arm) for arm in traffic.arms}
    assert "Traceback" not in _log(traffic)


def test_several_loads_in_the_web_ui(processes: ExitStack, traffic: Traffic) -> None:
    """A load ends by itself; the next one goes on in the same files with other requests, until standard input ends."""
    traffic, targets = _with_targets(processes, replace(traffic, load_s=2.0, max_lateness_s=NEVER_LATE_S))
    web = WebUi(processes, traffic)
    _, load_s = web.start()
    assert web.ended_s() >= load_s + traffic.load_s
    assert {len(target.received()) for target in targets.values()} == {130}
    _wait_for(web.stopped)
    web.start()
    _wait_for(lambda: len(targets["fixed"].received()) > 160)
    assert web.close() == 0
    for arm, target in targets.items():
        rows = _rows(traffic, arm)
        received = len(target.received())
        assert received > 160
        assert _total(rows, "planned") == _total(rows, "ok") == received == _answers(traffic, arm)
        assert [row["t_s"] for row in rows] == sorted({row["t_s"] for row in rows}, key=float)
    assert "Traceback" not in _log(traffic)


def test_the_port_of_the_web_ui_is_taken(processes: ExitStack, traffic: Traffic) -> None:
    """A web UI that cannot listen is never ready, and the exit code says so."""
    traffic, _ = _with_targets(processes, traffic)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        locust = _start_locust(
            processes, traffic, "--web-host", "127.0.0.1", "--web-port", port, headless=False
        )
        assert locust.wait(PATIENCE_S) == 1
    assert "Address already in use" in _log(traffic)
    assert "Locust ended before the load was ready; the lines above say why" in _log(traffic)
    assert locust.stdout is not None
    assert TRAFFIC_READY not in locust.stdout.read()
