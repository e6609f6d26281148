"""A target whose answers are hostile, beside a healthy one: its requests fail alone."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from soak.contract import FAILURE_KINDS, Traffic
from tests.support.rogue_server import HOSTILE

from .conftest import finish, start_soak
from .locust_processes import (
    PATIENCE_S,
    ROOT,
    log_of,
    read_line,
    rows_of,
    start_load,
    start_locust,
    start_process,
    total_of,
)
from .test_custom_locustfile import start_custom

pytestmark = pytest.mark.integration

MEMORY_MIB = 300
"""Most resident memory of a Locust process, as the bounds promise."""
HEALTHY_SHARE = 0.99
"""Least share of the planned requests that the healthy arm gets."""
READ_EVERY_S = 0.02

USERS = f"""
from itertools import cycle

from locust import FastHttpUser, HttpUser, constant, task


class Fast(FastHttpUser):
    wait_time = constant(0.1)

    def on_start(self):
        self.names = cycle({HOSTILE!r})

    @task
    def get(self):
        self.client.get("/" + next(self.names))


class Slow(HttpUser):
    wait_time = constant(0.1)
    on_start = Fast.on_start
    get = Fast.get
"""

PROFILE = f"""
about = "the answers of one arm have no end from the middle of the load on"
[phases]
idle_s = 1
warmup_s = 5
load_s = 20
drain_s = 1
quiesce_s = 1
[sampling]
quiesce_every_s = 2
quiesce_pause_s = 0.5
[stubs]
[traffic]
rate_rps = 60
network_timeout_s = 2
[judge]
max_leak = "4 KiB/request"
[gates]
availability = ">= 99%"
[arms.leaky]
role = "before"
command = [
    "{{python}}", "-m", "tests.support.endless_gateway", "850", "--variant", "leaky",
    "--port", "{{port}}", "--upstreams", "{{upstreams}}",
]
cwd = "{ROOT}"
[arms.fixed]
role = "after"
command = ["{{python}}", "-m", "gateway", "--variant", "fixed", "--port", "{{port}}", "--upstreams", "{{upstreams}}"]
"""
"""The warm-up has 250 requests, the load 1,200."""


def with_rogue_servers(processes: ExitStack, traffic: Traffic) -> Traffic:
    """Start a server for each arm; the leaky one's answers are hostile, the fixed one's base path makes them good."""
    urls = {}
    for arm, base in (("leaky", ""), ("fixed", "/good")):
        Path(traffic.out_dir, arm).mkdir()
        server = start_process(processes, [sys.executable, "-m", "tests.support.rogue_server"])
        urls[arm] = f"http://127.0.0.1:{read_line(server)}{base}"
    return replace(traffic, arms=urls)


@contextmanager
def peaks_mib(watched: list[subprocess.Popen[str]]) -> Iterator[list[float]]:
    """Yield the peak of the resident memory of each process, MiB, complete at the end."""
    peaks = [0.0] * len(watched)
    over = Event()

    def watch() -> None:
        while not over.wait(READ_EVERY_S):
            for number, process in enumerate(watched):
                with suppress(psutil.Error):
                    used = psutil.Process(process.pid).memory_info().rss / 2**20
                    peaks[number] = max(peaks[number], used)

    watcher = Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        over.set()
        watcher.join()


def test_hostile_answers_cost_the_other_arm_nothing(processes: ExitStack, traffic: Traffic) -> None:
    """With every hostile answer at once Locust's memory is bounded, and the healthy arm gets its planned requests."""
    traffic = replace(
        with_rogue_servers(processes, traffic),
        path="/{service}",
        services=HOSTILE,
        instances_live=len(HOSTILE),
        rate_rps=50.0,
        users_per_arm=50,
        load_s=4.0,
        network_timeout_s=2.0,
    )
    locust = start_locust(processes, traffic)
    with peaks_mib([locust]) as peaks:
        start_load(locust, traffic)
        assert locust.wait(PATIENCE_S) == 0
    healthy, rogue = rows_of(traffic, "fixed"), rows_of(traffic, "leaky")
    share = total_of(healthy, "ok") / total_of(healthy, "planned")
    print(
        f"\npeak {peaks[0]:.0f} MiB; the healthy arm got {share:.2%} of {total_of(healthy, 'planned')} requests"
    )
    assert peaks[0] < MEMORY_MIB
    assert share >= HEALTHY_SHARE
    assert total_of(rogue, "ok") == 0
    assert total_of(rogue, "failed_too_large") > 0
    assert total_of(rogue, "failed_timeout") > 0
    assert "Traceback" not in log_of(traffic)


def test_hostile_answers_to_a_custom_locustfile(processes: ExitStack, traffic: Traffic) -> None:
    """Users of both HTTP clients fail with each hostile request, go on, and share the memory of their process."""
    traffic = replace(with_rogue_servers(processes, traffic), load_s=5.0, network_timeout_s=2.0)
    counted = ("--headless", "--only-summary", "--users", "40", "--spawn-rate", "100")
    master, workers = start_custom(processes, traffic, USERS, *counted)
    with peaks_mib([master, *workers]) as peaks:
        began_s = time.monotonic()
        start_load(master, traffic)
        assert [process.wait(PATIENCE_S) for process in (master, *workers)] == [0, 0, 0]
        took_s = time.monotonic() - began_s
    healthy, rogue = rows_of(traffic, "fixed"), rows_of(traffic, "leaky")
    kinds = {kind: total_of(rogue, f"failed_{kind}") for kind in FAILURE_KINDS}
    print(
        f"\npeaks {[round(peak) for peak in peaks]} MiB; {kinds}; healthy {total_of(healthy, 'ok')}; {took_s:.1f} s"
    )
    assert max(peaks) < MEMORY_MIB
    assert total_of(healthy, "ok") == total_of(healthy, "sent") > 0
    assert total_of(rogue, "ok") == 0
    assert kinds["too_large"] > 0
    assert kinds["timeout"] > 0
    assert "Traceback" not in log_of(traffic)


def test_the_verdict_on_the_healthy_arm_stands(tmp_path: Path) -> None:
    """While one arm answers without end, the other gets its requests and its verdict; the first is inconclusive."""
    profile = tmp_path / "endless.toml"
    profile.write_text(PROFILE)
    soak = finish(start_soak(profile, tmp_path / "runs"), tmp_path / "runs")
    summary = json.loads((soak.directory / "report" / "summary.json").read_text())
    verdicts = {one["arm"]: one["verdict"] for one in summary["verdicts"]}
    assert verdicts == {"leaky": "inconclusive", "fixed": "no_leak"}
    assert [(gate["gate"], gate["outcome"]) for gate in summary["gates"]] == [
        ("leak", "pass"),
        ("availability", "pass"),
    ]
    assert sum(int(row["failed_too_large"]) for row in soak.rows("leaky/requests.csv")) > 50
    assert soak.running() == []
