"""Servers of several processes, and processes that were there before us: real ones."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.ports import free_port

from .conftest import HERE, Soak, finish, is_running, start_soak, temporary_of, wait_for_event

pytestmark = pytest.mark.integration

WORKERS = f"""
[phases]
idle_s = 1
warmup_s = 1
load_s = 10
drain_s = 1
quiesce_s = 1
[limit]
memory = "400 MiB"
[traffic]
rate_rps = 40
[arms.shop]
ready = "log: Application startup complete"
command = ["{{python}}", "-m", "uvicorn", "starlette_app:app", "--port", "{{port}}", "--workers", "2"]
cwd = "{HERE}"
"""


def workers_of(pid: int) -> set[int]:
    """The processes that serve; multiprocessing has one more to clean up."""
    return {
        child.pid for child in psutil.Process(pid).children() if "spawn_main" in " ".join(child.cmdline())
    }


@pytest.fixture(scope="module")
def worker_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Soak, int]:
    """A run in whose load one worker is killed, and the pid of that worker."""
    directory = tmp_path_factory.mktemp("workers")
    profile = directory / "workers.toml"
    profile.write_text(WORKERS)
    process = start_soak(profile, directory / "runs")
    wait_for_event(directory / "runs", "phase", "load")
    [main] = [row for row in Soak.of(directory / "runs").events("start") if row["life"] == "1"]
    victim = min(workers_of(int(main["pid"])))
    os.kill(victim, signal.SIGKILL)
    return finish(process, directory / "runs"), victim


def test_each_worker_is_a_life_that_is_sampled_from_outside_and_inside(worker_run: tuple[Soak, int]) -> None:
    """Every second, with the readings of its own probe; both served requests."""
    soak, victim = worker_run
    rows = [row for row in soak.rows("shop/samples.csv") if row["phase"] in ("warm-up", "load")]
    lives = {row["pid"]: row["life"] for row in rows}
    assert len(lives) == len(set(lives.values())) >= 4
    assert all(row["rss_bytes"] and row["live_blocks"] for row in rows)
    served = [
        pid
        for pid in lives
        if sum(row["pid"] == pid and int(row["tasks_alive"] or 0) > 1 for row in rows) > 3
    ]
    assert len(served) >= 2
    assert str(victim) in lives


def test_a_worker_that_is_killed_and_its_replacement_are_seen(worker_run: tuple[Soak, int]) -> None:
    """Its life ends, the arm's does not, and the next life begins within seconds."""
    soak, victim = worker_run
    [death] = [row for row in soak.events("exit") if row["pid"] == str(victim)]
    assert (death["arm"], death["by"]) == ("shop", "unknown")
    born = [row for row in soak.events("ready") if float(row["t_s"]) > float(death["t_s"])]
    assert [row["arm"] for row in born] == ["shop"]
    assert float(born[0]["t_s"]) - float(death["t_s"]) < 10
    assert int(born[0]["life"]) > int(death["life"])
    assert [row["by"] for row in soak.events("exit") if row["arm"] == "shop" and row["life"] == "1"] == [
        "soak"
    ]


def test_all_workers_go_down_the_ladder_and_none_is_left(worker_run: tuple[Soak, int]) -> None:
    """Each rung has a row of each process, and every process of the arm has ended."""
    soak, _ = worker_run
    rows = soak.rows("shop/samples.csv")
    alive = {row["pid"] for row in soak.events("exit") if row["arm"] == "shop" and row["by"] == "soak"}
    for rung in ("drained", "collected", "trimmed"):
        assert {row["pid"] for row in rows if row["rung"] == rung and row["live_blocks"]} == alive
    assert {row["pid"] for row in soak.rows("shop/census.csv")} >= alive
    assert soak.running() == []


def test_the_report_sums_the_workers(worker_run: tuple[Soak, int]) -> None:
    """It names each process, and the kill splits the arm's memory into stretches."""
    soak, victim = worker_run
    assert f"(pid {victim})" in soak.stdout
    assert "Traceback" not in soak.stderr


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """A service that somebody else started."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "uvicorn", "starlette_app:app", "--port", str(port), "--log-level", "error",
         "--workers", "2"], cwd=HERE
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 20
        while len(workers_of(process.pid)) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def start_attach(runs: Path, pid: int, *arguments: str) -> subprocess.Popen[str]:
    temporary_of(runs).mkdir(parents=True)
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "soak",
            "attach",
            "--pid",
            str(pid),
            "--every",
            "0.2s",
            "--runs",
            str(runs),
            *arguments,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def test_what_runs_already_is_sampled_and_never_touched(
    server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Ctrl-C ends the sampling and makes the report; the service and its workers run on."""
    before = workers_of(server.pid)
    process = start_attach(tmp_path / "runs", server.pid)
    wait_for_event(tmp_path / "runs", "phase", "load")
    time.sleep(2)  # readings, not an event, are what is waited for
    process.send_signal(signal.SIGINT)
    soak = finish(process, tmp_path / "runs")
    assert "Traceback" not in soak.stderr
    assert soak.code in (0, 4), soak.stdout + soak.stderr
    rows = soak.rows(f"pid_{server.pid}/samples.csv")
    assert {int(row["pid"]) for row in rows} >= {server.pid, *before}
    assert all(row["rss_bytes"] and row["fds"] and row["phase"] == "load" for row in rows)
    assert (soak.directory / "report" / "summary.json").exists()
    assert [row["arm"] for row in soak.events("exit")] == ["census"]
    assert workers_of(server.pid) == before


def test_an_attached_process_that_dies_ends_the_sampling(
    server: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Its exit is an event, and the report is made."""
    process = start_attach(tmp_path / "runs", server.pid)
    wait_for_event(tmp_path / "runs", "phase", "load")
    server.terminate()
    server.wait(20)
    soak = finish(process, tmp_path / "runs")
    assert [row["by"] for row in soak.events("exit") if row["life"] == "1"] == ["unknown"]
    assert "Traceback" not in soak.stderr
    assert not is_running(server.pid)


def test_a_probe_that_is_there_already_is_asked(tmp_path: Path) -> None:
    """A process started with it says in its environment where it answers."""
    probe = Path(__file__).parents[2] / "soak" / "probe"
    environment = {**os.environ, "PYTHONPATH": str(probe), "SOAK_PROBE_DIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment
    ) as process:
        deadline = time.monotonic() + 10
        while not (tmp_path / f"{process.pid}.sock").exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        soak = finish(start_attach(tmp_path / "runs", process.pid, "--for", "1s"), tmp_path / "runs")
        process.kill()
    with (soak.directory / f"pid_{process.pid}" / "samples.csv").open() as file:
        assert all(row["live_blocks"] for row in csv.DictReader(file))
