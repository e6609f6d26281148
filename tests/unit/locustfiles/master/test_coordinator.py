from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gevent.fileobject import FileObject
from locust.env import Environment

from locustfiles.locust_process import LocustProcess
from locustfiles.master.coordinator import coordinate_planned
from locustfiles.worker.reporter import MasterClock, Reporter
from locustfiles.worker.sender import PlannedSender
from soak.contract import FAILURE_KINDS, LOAD_BEGAN, LOAD_ENDED, TRAFFIC_READY, Traffic

ReadRows = Callable[[Path], list[dict[str, str]]]


class Stage:
    """A load in this process, with targets that refuse every connection, and the pipe its orders come from."""

    def __init__(self, directory: Path, make_traffic: Callable[..., Traffic], **keys: Any) -> None:
        for arm in ("leaky", "fixed"):
            (directory / arm).mkdir()
        reading, self.orders = os.pipe()
        self._reader = FileObject(reading, "rb", buffering=0)
        traffic = make_traffic(out_dir=str(directory), t0_monotonic_s=time.monotonic(), **keys)
        self.environment = Environment(parsed_options=Namespace())
        self.runner = self.environment.create_local_runner()
        clock = MasterClock()
        sender = PlannedSender(traffic, clock)
        self.environment.user_classes = list(sender.user_classes)
        process = LocustProcess(self.environment)
        coordinate_planned(process, traffic, self._reader)
        Reporter(traffic, sender, clock).register(process)

    def run(self) -> int | None:
        """Do what Locust's main does; return the exit code."""
        options = self.environment.parsed_options
        assert options is not None
        self.runner.start(options.num_users, options.spawn_rate)
        self.runner.greenlet.join(timeout=20)
        assert not self.runner.greenlet
        self.environment.events.quitting.fire(environment=self.environment)
        return self.environment.process_exit_code

    def order(self, line: bytes) -> None:
        """Write a line to the load's standard input."""
        os.write(self.orders, line)

    def end_of_orders(self) -> None:
        """Close the load's standard input."""
        os.close(self.orders)
        self.orders = -1

    def close(self) -> None:
        """Close both ends of the pipe."""
        self._reader.close()
        if self.orders >= 0:
            os.close(self.orders)


@pytest.fixture
def make_stage(tmp_path: Path, make_traffic: Callable[..., Traffic]) -> Iterator[Callable[..., Stage]]:
    """Return a function that makes a short load in ``tmp_path``."""
    stages: list[Stage] = []

    def make(**keys: Any) -> Stage:
        short: dict[str, Any] = {"warmup_s": 0.1, "warmup_rps": 40.0, "load_s": 0.2, "rate_rps": 200.0}
        stages.append(Stage(tmp_path, make_traffic, **short | keys))
        return stages[-1]

    yield make
    for stage in stages:
        stage.close()


def test_from_start_to_end(
    make_stage: Callable[..., Stage],
    tmp_path: Path,
    read_rows: ReadRows,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """After its start the load runs to its end by itself; failed requests are in the rows, not in the exit code."""
    stage = make_stage()
    stage.order(b"start 0\n")
    assert stage.run() == 0
    ready, began, ended = capsys.readouterr().out.splitlines()
    assert (ready, began) == (TRAFFIC_READY, f"{LOAD_BEGAN} 0.000 0.100")
    assert ended.startswith(LOAD_ENDED)
    assert 0.3 <= float(ended.removeprefix(LOAD_ENDED)) < 2
    for arm in ("leaky", "fixed"):
        rows = read_rows(tmp_path / arm)
        planned, sent, missed = (
            sum(int(row[name]) for row in rows) for name in ("planned", "sent", "missed")
        )
        failed = sum(int(row[f"failed_{kind}"]) for row in rows for kind in FAILURE_KINDS)
        assert planned == sent + missed == 44
        assert failed == sent > 0
        assert (tmp_path / arm / "latency.hlog").read_text().count("Tag=latency,") >= 1


def test_orders_that_end_before_the_start(
    make_stage: Callable[..., Stage], tmp_path: Path, read_rows: ReadRows
) -> None:
    """Without a supervisor nothing is sent, and the load quits."""
    stage = make_stage()
    stage.end_of_orders()
    assert stage.run() == 0
    assert read_rows(tmp_path / "leaky") == []


def test_orders_that_end_in_the_middle(
    make_stage: Callable[..., Stage], tmp_path: Path, read_rows: ReadRows
) -> None:
    """When the supervisor is gone a load of hours stops at once, and what was recorded is on disk."""
    stage = make_stage(load_s=9000.0)
    stage.order(b"start 0\n")
    stage.end_of_orders()
    assert stage.run() == 0
    assert read_rows(tmp_path / "leaky")


def test_a_wrong_order(make_stage: Callable[..., Stage], capsys: pytest.CaptureFixture[str]) -> None:
    """An order that is no start is one line on stderr and exit code 2."""
    stage = make_stage()
    stage.order(b"begin now\n")
    assert stage.run() == 2
    assert capsys.readouterr().err == "standard input: expected 'start <t_s>', got 'begin now'\n"


def test_a_locust_that_ends_early(
    make_stage: Callable[..., Stage], capsys: pytest.CaptureFixture[str]
) -> None:
    """When Locust quits before its users are there, one line explains the exit code 1."""
    stage = make_stage()
    stage.environment.events.quitting.fire(environment=stage.environment)
    assert stage.environment.process_exit_code == 1
    assert capsys.readouterr().err == "Locust ended before the load was ready; see the lines above\n"


def test_the_number_of_users(make_stage: Callable[..., Stage]) -> None:
    """Locust starts the users of all arms."""
    options = make_stage().environment.parsed_options
    assert options is not None
    assert options.num_users == 4
