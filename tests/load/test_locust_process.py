from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest

from locustfiles.schedule.arrivals import schedule
from soak.contract import FAILURE_KINDS, LATENCY_LOG, REQUESTS, TRAFFIC_READY, WORKER_LOST, Traffic
from tests.support.ports import free_port

from .locust_processes import (
    NEVER_LATE_S,
    OTHER_ADDRESS,
    PATIENCE_S,
    WebUi,
    answers_of,
    log_of,
    read_line,
    rows_of,
    start_load,
    start_locust,
    start_master,
    start_process,
    start_worker,
    total_of,
    wait_for,
    web_options,
    with_targets,
)

pytestmark = pytest.mark.integration

SILENCE_S = 7.0
"""More than the five seconds after which Locust by itself calls a worker lost, at the latest."""


def test_freezing_one_arm_does_not_disturb_the_other(processes: ExitStack, traffic: Traffic) -> None:
    """While one target is stopped the other gets every request in time; what the stopped one missed stays unsent."""
    traffic, targets = with_targets(processes, traffic)
    locust = start_locust(processes, traffic)
    start_s = start_load(locust, traffic)
    frozen_s, thawed_s = start_s + 1.2, start_s + 3.4
    for at_s, order in ((frozen_s, signal.SIGSTOP), (thawed_s, signal.SIGCONT)):
        time.sleep(traffic.t0_monotonic_s + at_s - time.monotonic())
        targets["leaky"].process.send_signal(order)
    assert locust.wait(PATIENCE_S) == 0

    planned_s = {json.loads(item.body)["id"]: item.planned_s for item in schedule(traffic, start_s)}
    assert len(planned_s) == 250
    for arm in traffic.arms:
        rows = rows_of(traffic, arm)
        assert total_of(rows, "planned") == 250 == total_of(rows, "sent", "missed")
        assert total_of(rows, "sent") == total_of(rows, "ok", *(f"failed_{kind}" for kind in FAILURE_KINDS))
        assert total_of(rows, "sent") == len(targets[arm].received())
        assert Path(traffic.out_dir, arm, LATENCY_LOG).stat().st_size > 0

    fixed = rows_of(traffic, "fixed")
    assert total_of(fixed, "missed") == 0
    assert total_of(fixed, "ok") == 250
    assert max(float(row["latency_p99_ms"] or 0) for row in fixed) < 500

    leaky, leaky_ids = rows_of(traffic, "leaky"), targets["leaky"].received()
    assert total_of(leaky, "missed") > 50
    early = {name for name, at_s in planned_s.items() if at_s < frozen_s - 0.3}
    assert early
    assert early <= set(leaky_ids)
    assert early <= set(targets["fixed"].received())
    # What a user had sent before or into the freeze is read after it; one request a user, no more.
    late = [name for name, at_s in leaky_ids.items() if at_s - traffic.t0_monotonic_s - planned_s[name] > 1.2]
    assert len(late) <= traffic.users_per_arm


def test_sigterm_keeps_what_is_recorded(processes: ExitStack, traffic: Traffic) -> None:
    """SIGTERM in the middle of a load of hours ends it at once, and the rows up to then agree."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=9000.0))
    locust = start_locust(processes, traffic)
    start_load(locust, traffic)
    wait_for(lambda: len(targets["fixed"].received()) > 30)
    locust.send_signal(signal.SIGTERM)
    assert locust.wait(PATIENCE_S) == 0
    rows = rows_of(traffic, "fixed")
    assert total_of(rows, "planned") == total_of(rows, "sent", "missed") > 30
    assert 0 <= total_of(rows, "sent") - total_of(rows, "ok") <= traffic.users_per_arm


def test_the_end_of_standard_input_ends_it(processes: ExitStack, traffic: Traffic) -> None:
    """When the supervisor is gone nobody waits for the load: it quits, started or not."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=9000.0))
    locust = start_locust(processes, traffic)
    start_load(locust, traffic)
    wait_for(targets["leaky"].received)
    assert locust.stdin is not None
    locust.stdin.close()
    assert locust.wait(PATIENCE_S) == 0


def test_a_bad_plan(processes: ExitStack, traffic: Traffic) -> None:
    """A plan without arms is one line on stderr that names file and key, and exit code 2."""
    locust = start_locust(processes, traffic)
    assert locust.wait(PATIENCE_S) == 2
    (line,) = log_of(traffic).splitlines()
    assert line.startswith(
        f"{traffic.out_dir}/traffic.json: key arms: Dictionary should have at least 1 item"
    )


def test_a_recording_that_cannot_be_written(processes: ExitStack, traffic: Traffic) -> None:
    """A link in its place, or a disk that is full, is one line on stderr that names the file, and exit code 1."""
    traffic, _ = with_targets(processes, traffic)
    Path(traffic.out_dir, "fixed", REQUESTS).symlink_to("/dev/full")
    locust = start_locust(processes, traffic)
    assert locust.wait(PATIENCE_S) == 1
    log = log_of(traffic)
    assert f"{traffic.out_dir}/fixed/{REQUESTS}: the recording cannot be written: " in log
    assert "Traceback" not in log


def test_two_workers_send_what_one_process_sends(processes: ExitStack, traffic: Traffic) -> None:
    """Two workers and a master plan, send and record what one process does with the same seed, at every arm."""
    traffic = replace(traffic, load_s=2.0, max_lateness_s=NEVER_LATE_S)
    alone, targets = with_targets(processes, traffic)
    locust = start_locust(processes, alone)
    start_load(locust, alone)
    assert locust.wait(PATIENCE_S) == 0
    seen_alone = {arm: set(target.received()) for arm, target in targets.items()}

    directory = Path(traffic.out_dir, "split")
    directory.mkdir()
    split, targets = with_targets(processes, replace(traffic, out_dir=str(directory)))
    port = free_port()
    workers = [start_worker(processes, split, port) for _ in range(2)]
    master = start_master(processes, split, port, 2)
    start_s = start_load(master, split)
    assert master.wait(PATIENCE_S) == 0
    assert [worker.wait(PATIENCE_S) for worker in workers] == [0, 0]

    planned = {json.loads(item.body)["id"]: item.planned_s for item in schedule(split, start_s)}
    for arm in split.arms:
        rows = rows_of(split, arm)
        for column in ("planned", "sent", "missed", "ok"):
            assert total_of(rows, column) == total_of(rows_of(alone, arm), column), column
        received = targets[arm].received()
        assert set(received) == seen_alone[arm] == set(planned)
        late_s = [at_s - split.t0_monotonic_s - planned[name] for name, at_s in received.items()]
        assert min(late_s) > -0.05
        assert median(late_s) < 1.0
        assert answers_of(split, arm) == total_of(rows_of(split, arm), "ok")


def test_a_worker_from_another_machine(processes: ExitStack, traffic: Traffic, tmp_path: Path) -> None:
    """A worker that knows no more than the master's address joins it, and both workers send what was planned."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=2.0, max_lateness_s=NEVER_LATE_S))
    port = free_port(OTHER_ADDRESS)
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    joining = [sys.executable, "-m", "soak", "worker", f"{OTHER_ADDRESS}:{port}"]
    remote = start_process(processes, joining, cwd=nowhere)
    assert read_line(remote) == f"asking {OTHER_ADDRESS}:{port} for the plan of the run"
    worker = start_worker(processes, traffic, port, OTHER_ADDRESS)
    master = start_master(processes, traffic, port, 2, OTHER_ADDRESS)
    assert read_line(remote) == "joined; the run ends this worker"
    start_s = start_load(master, traffic)
    assert [process.wait(PATIENCE_S) for process in (master, worker, remote)] == [0, 0, 0]
    ids = {json.loads(item.body)["id"] for item in schedule(traffic, start_s)}
    for arm in traffic.arms:
        rows = rows_of(traffic, arm)
        assert total_of(rows, "planned") == total_of(rows, "ok") == len(ids)
        assert set(targets[arm].received()) == ids
    assert list(nowhere.iterdir()) == []
    joined = [line.split(": ")[1] for line in log_of(traffic).splitlines() if "joined" in line]
    assert joined == ["1 of 2", "2 of 2"]


def test_joining_nothing() -> None:
    """An address that is none is refused in one line with exit code 2."""
    command = [sys.executable, "-m", "soak", "worker", "10.0.0.1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (ended.returncode, ended.stderr) == (2, "give the address that the run printed, HOST:PORT\n")


def test_a_worker_that_is_killed(processes: ExitStack, traffic: Traffic) -> None:
    """What a dead worker did not send is missed, the other goes on with its own share, and a line names the dead."""
    traffic, targets = with_targets(processes, replace(traffic, max_lateness_s=NEVER_LATE_S))
    port = free_port()
    workers = [start_worker(processes, traffic, port) for _ in range(2)]
    master = start_master(processes, traffic, port, 2)
    start_s = start_load(master, traffic)
    wait_for(lambda: len(targets["fixed"].received()) > 60)
    workers[0].kill()
    assert master.wait(PATIENCE_S) == 0
    assert workers[1].wait(PATIENCE_S) == 0
    ids = [json.loads(item.body)["id"] for item in schedule(traffic, start_s)]
    shares = [set(ids[share::2]) for share in range(2)]
    for arm in traffic.arms:
        rows = rows_of(traffic, arm)
        assert total_of(rows, "planned") == 250 == total_of(rows, "sent", "missed")
        assert total_of(rows, "missed") > 50
        received = set(targets[arm].received())
        assert sorted(len(share & received) for share in shares)[1] == 125
        # The dead worker's last second was not reported any more.
        assert 0 <= len(received) - total_of(rows, "sent") < 60
    assert re.search(
        r"^soak: worker lost \S+: the rest of its share counts as missed$", log_of(traffic), re.MULTILINE
    )


def test_a_worker_that_is_silent_for_seconds(processes: ExitStack, traffic: Traffic) -> None:
    """A worker that a busy machine holds up keeps its share: what may still be sent then is sent by it."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=8.0, max_lateness_s=NEVER_LATE_S))
    port = free_port()
    workers = [start_worker(processes, traffic, port) for _ in range(2)]
    master = start_master(processes, traffic, port, 2)
    start_load(master, traffic)
    wait_for(lambda: len(targets["fixed"].received()) > 30)
    workers[0].send_signal(signal.SIGSTOP)
    time.sleep(SILENCE_S)
    workers[0].send_signal(signal.SIGCONT)
    assert [process.wait(PATIENCE_S) for process in (master, *workers)] == [0, 0, 0]
    for arm in traffic.arms:
        rows = rows_of(traffic, arm)
        assert total_of(rows, "planned") == total_of(rows, "sent") == len(targets[arm].received()) > 250
        assert [int(row["t_s"]) for row in rows] == list(range(int(rows[0]["t_s"]), int(rows[-1]["t_s"]) + 1))
    assert WORKER_LOST not in log_of(traffic)


def test_a_late_worker_and_the_end_of_the_master(processes: ExitStack, traffic: Traffic) -> None:
    """A worker that joins in a load is told why it gets no share; SIGTERM to the master ends all and loses nothing."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=9000.0, max_lateness_s=NEVER_LATE_S))
    port = free_port()
    worker = start_worker(processes, traffic, port)
    master = start_master(processes, traffic, port, 1)
    start_load(master, traffic)
    late = start_worker(processes, traffic, port)
    _, said = late.communicate(timeout=PATIENCE_S)
    assert late.returncode == 2
    assert re.fullmatch(
        r"worker \S+ gets no share of the load: it joined after the start of the load; start it before\n",
        said,
    )
    assert said in log_of(traffic)
    wait_for(lambda: len(targets["fixed"].received()) > 90)
    master.send_signal(signal.SIGTERM)
    assert master.wait(PATIENCE_S) == worker.wait(PATIENCE_S) == 0
    for arm in traffic.arms:
        rows = rows_of(traffic, arm)
        assert total_of(rows, "planned") == total_of(rows, "sent") == total_of(rows, "ok")
        assert total_of(rows, "ok") == answers_of(traffic, arm) == len(targets[arm].received()) > 90


def _web(processes: ExitStack, traffic: Traffic) -> WebUi:
    port, options = web_options()
    return WebUi(start_locust(processes, traffic, *options, headless=False), port)


def test_stop_in_the_web_ui(processes: ExitStack, traffic: Traffic) -> None:
    """Stop ends a load and its drain; a second Start, new fields and a reset in it change nothing and lose nothing."""
    traffic, targets = with_targets(processes, replace(traffic, max_lateness_s=NEVER_LATE_S))
    web = _web(processes, traffic)
    warmup_s, load_s = web.start()
    assert warmup_s == int(warmup_s)
    assert load_s == warmup_s + traffic.warmup_s
    wait_for(lambda: len(targets["fixed"].received()) > 30)
    web.post("/swarm", host=targets["leaky"].url, user_count=9, spawn_rate=9)
    web.reset_stats()
    wait_for(lambda: len(targets["fixed"].received()) > 60)
    web.post("/stop")
    assert web.ended_s() > warmup_s
    rows = {arm: rows_of(traffic, arm) for arm in traffic.arms}
    for arm, target in targets.items():
        assert total_of(rows[arm], "planned") == total_of(rows[arm], "ok") == len(target.received())
        assert 60 < len(target.received()) < 250

    web.start()
    web.post("/stop")
    web.ended_s()
    assert web.close() == 0
    assert rows == {arm: rows_of(traffic, arm) for arm in traffic.arms}
    assert "Traceback" not in log_of(traffic)


def test_several_loads_in_the_web_ui(processes: ExitStack, traffic: Traffic) -> None:
    """A load ends by itself; the next one goes on in the same files with other requests, until standard input ends."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=2.0, max_lateness_s=NEVER_LATE_S))
    web = _web(processes, traffic)
    _, load_s = web.start()
    assert web.ended_s() >= load_s + traffic.load_s
    assert {len(target.received()) for target in targets.values()} == {130}
    wait_for(web.stopped)
    web.start()
    wait_for(lambda: len(targets["fixed"].received()) > 160)
    assert web.close() == 0
    for arm, target in targets.items():
        rows = rows_of(traffic, arm)
        received = len(target.received())
        assert received > 160
        assert total_of(rows, "planned") == total_of(rows, "ok") == received == answers_of(traffic, arm)
        assert [row["t_s"] for row in rows] == sorted({row["t_s"] for row in rows}, key=float)
    assert "Traceback" not in log_of(traffic)


def test_a_worker_that_comes_back(processes: ExitStack, traffic: Traffic) -> None:
    """A worker that was cut off in a load led by hand sends its share of the next one."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=9000.0, max_lateness_s=NEVER_LATE_S))
    port, (web_port, options) = free_port(), web_options()
    workers = [start_worker(processes, traffic, port) for _ in range(2)]
    where = ("--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(port))
    master = start_locust(processes, traffic, *options, *where, "--expect-workers", "2", headless=False)
    web = WebUi(master, web_port)
    web.start()
    wait_for(lambda: len(targets["fixed"].received()) > 30)
    workers[0].send_signal(signal.SIGSTOP)
    wait_for(lambda: WORKER_LOST in log_of(traffic))
    workers[0].send_signal(signal.SIGCONT)
    wait_for(lambda: web.workers() == ["running", "running"])
    web.post("/stop")
    web.ended_s()
    wait_for(lambda: web.workers() == ["ready", "ready"])
    before = {arm: len(rows_of(traffic, arm)) for arm in traffic.arms}
    web.start()
    workers[1].kill()
    wait_for(lambda: len(rows_of(traffic, "fixed")) > before["fixed"] + 3)
    web.post("/stop")
    web.ended_s()
    assert web.close() == 0
    for arm in traffic.arms:
        rows = rows_of(traffic, arm)[before[arm] :]
        assert total_of(rows[-3:], "missed") > 30
        assert total_of(rows[-3:], "ok") > 30


def test_the_port_of_the_web_ui_is_taken(processes: ExitStack, traffic: Traffic) -> None:
    """A web UI that cannot listen is never ready, and the exit code says so."""
    traffic, _ = with_targets(processes, traffic)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        locust = start_locust(
            processes, traffic, "--web-host", "127.0.0.1", "--web-port", port, headless=False
        )
        assert locust.wait(PATIENCE_S) == 1
    assert "Address already in use" in log_of(traffic)
    assert "Locust ended before the load was ready; see the lines above" in log_of(traffic)
    assert locust.stdout is not None
    assert TRAFFIC_READY not in locust.stdout.read()
