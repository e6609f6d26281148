"""A custom locustfile, unchanged, against every arm."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from soak.contract import FAILURE_KINDS, Traffic
from soak.plan.load_plan import CUSTOM
from tests.support.ports import free_port

from .locust_processes import (
    PATIENCE_S,
    Target,
    WebUi,
    answers_of,
    log_of,
    rows_of,
    start_load,
    start_process,
    total_of,
    wait_for,
    web_options,
    with_targets,
)

pytestmark = pytest.mark.integration

USERS = """
import itertools

from locust import FastHttpUser, HttpUser, LoadTestShape, between, constant, task

number = itertools.count()


class Buyer(FastHttpUser):
    host = "http://production.invalid"
    wait_time = between(0.02, 0.06)

    @task
    def order(self):
        self.client.put("/orders", headers={"X-Team": "shop"})
        self.client.post("/orders", json={"id": f"order-{next(number)}"})


class Visitor(HttpUser):
    wait_time = constant(0.05)

    def on_start(self):
        self.client.post("/login", json={"id": f"{self.environment.host}#{next(number)}"})

    @task
    def judge(self):
        with self.client.post("/judged", json={"id": f"judged-{next(number)}"}, catch_response=True) as answer:
            answer.failure("not what a visitor wants")
"""
"""The targets know POST only, and answer 501 to PUT."""

SHAPE = """

class Growing(LoadTestShape):
    def tick(self):
        return (2, 2) if self.get_run_time() < 2 else (8, 8)
"""


def start_custom(
    processes: ExitStack, traffic: Traffic, users: str, *options: str
) -> tuple[subprocess.Popen[str], list[subprocess.Popen[str]]]:
    """Start the master and a worker for each arm, as a plan has them; return both."""
    directory = Path(traffic.out_dir)
    team, plan = directory / "team.py", directory / "traffic.json"
    team.write_text(users)
    plan.write_text(replace(traffic, locustfile=str(team)).to_json())
    port = str(free_port())
    command = [sys.executable, str(CUSTOM), "--loglevel", "WARNING"]
    command += ["-f", str(team), "--soak-traffic", str(plan)]
    where = ["--worker", "--master-host", "127.0.0.1", "--master-port", port]
    workers = [
        start_process(processes, [*command, *where, "--soak-arm", arm], subprocess.DEVNULL)
        for arm in traffic.arms
    ]
    master = ["--master", "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
    master += ["--expect-workers", str(len(workers)), *options]
    with (directory / "locust.log").open("w") as stderr:
        return start_process(processes, [*command, *master], stderr), workers


def _has_visitors(target: Target, visitors: int) -> bool:
    """Return whether that many have logged in, under the arm's own host."""
    return sum(name.startswith(target.url) for name in target.received()) == visitors


def test_a_custom_locustfile(processes: ExitStack, traffic: Traffic) -> None:
    """The same users go to every arm from the start on, whatever their host, and each request is in a row once."""
    traffic, targets = with_targets(processes, traffic)
    counted = ("--headless", "--only-summary", "--users", "6", "--spawn-rate", "100")
    master, workers = start_custom(processes, traffic, USERS, *counted)
    start_s = start_load(master, traffic)
    assert [process.wait(PATIENCE_S) for process in (master, *workers)] == [0, 0, 0]
    for arm, target in targets.items():
        rows, received = rows_of(traffic, arm), target.received()
        assert total_of(rows, "missed") == 0
        assert total_of(rows, "planned") == total_of(rows, "sent") == answers_of(traffic, arm) > 200
        assert total_of(rows, "sent") == total_of(rows, "ok", *(f"failed_{kind}" for kind in FAILURE_KINDS))
        orders = sum(name.startswith("order") for name in received)
        judged = sum(name.startswith("judged") for name in received)
        assert _has_visitors(target, 3)
        assert len(received) == orders + judged + 3
        assert total_of(rows, "failed_5xx") == orders
        assert total_of(rows, "failed_error_body") == judged
        assert total_of(rows, "ok") == orders + 3
        assert min(received.values()) - traffic.t0_monotonic_s >= start_s


def test_a_custom_shape_and_sigterm(processes: ExitStack, traffic: Traffic) -> None:
    """A shape of the team's own counts from the load's start, and SIGTERM in it keeps what is recorded."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=9000.0))
    master, _ = start_custom(processes, traffic, USERS + SHAPE, "--headless", "--only-summary")
    time.sleep(3)  # the shape would be past its first step
    start_load(master, traffic)

    wait_for(partial(_has_visitors, targets["fixed"], 1))
    wait_for(partial(_has_visitors, targets["fixed"], 4))
    master.send_signal(signal.SIGTERM)
    assert master.wait(PATIENCE_S) == 0
    for arm, target in targets.items():
        rows = rows_of(traffic, arm)
        tried = len(target.received()) + total_of(rows, "failed_5xx")
        assert 0 <= tried - total_of(rows, "sent") <= 8


def test_a_custom_locustfile_in_the_web_ui(processes: ExitStack, traffic: Traffic) -> None:
    """The number of users in the start form counts, for each arm; its host does not; a second load goes on."""
    traffic, targets = with_targets(processes, replace(traffic, load_s=9000.0))
    port, options = web_options()
    master, workers = start_custom(processes, traffic, USERS, *options)
    web = WebUi(master, port)
    for load in (1, 2):
        web.start(user_count=4)
        for target in targets.values():
            wait_for(partial(_has_visitors, target, 2 * load))
        time.sleep(1)
        web.post("/stop")
        web.ended_s()
        wait_for(lambda: web.workers() == ["ready"] * len(workers))
    assert web.close() == 0
    assert [worker.wait(PATIENCE_S) for worker in workers] == [0, 0]
    for arm, target in targets.items():
        rows = rows_of(traffic, arm)
        assert total_of(rows, "sent") - total_of(rows, "failed_5xx") == len(target.received()) > 50
    assert "Traceback" not in log_of(traffic)


def test_packages_of_the_team_with_the_names_of_ours(tmp_path: Path) -> None:
    """Their file gets its own, and our plugin is in Locust all the same."""
    for package in ("locustfiles", "soak"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "locustfiles" / "common.py").write_text("USER = 'Buyer'\n")
    imports = "from locust import User\nfrom locustfiles.common import USER\nimport soak\n"
    (tmp_path / "team.py").write_text(
        f"{imports}assert not hasattr(soak, 'run')\nBuyer = type(USER, (User,), {{}})\n"
    )
    listing = ["-f", str(tmp_path / "team.py"), "--soak-traffic", "traffic.json", "--list"]
    listed = subprocess.run(
        [sys.executable, str(CUSTOM), *listing],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert listed.returncode == 0, listed.stderr
    assert "Buyer" in listed.stdout
