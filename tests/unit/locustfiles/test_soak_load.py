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

from locustfiles.soak_load import SoakLoad, start_of
from soak.contract import FAILURE_KINDS, TRAFFIC_READY, Traffic

ReadRows = Callable[[Path], list[dict[str, str]]]


class Stage:
    """A load in this process, with targets that refuse every connection, and the pipe its orders come from."""

    def __init__(self, directory: Path, make_traffic: Callable[..., Traffic], **keys: Any) -> None:
        for arm in ("leaky", "fixed"):
            (directory / arm).mkdir()
        reading, self.orders = os.pipe()
        self._reader = FileObject(reading, "rb", buffering=0)
        traffic = make_traffic(out_dir=str(directory), t0_monotonic_s=time.monotonic(), **keys)
        self.load = SoakLoad(traffic, self._reader)
        self.environment = Environment(parsed_options=Namespace())
        self.runner = self.environment.create_local_runner()
        self.load.register(self.environment)

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
        short: dict[str, Any] = {"warmup_s": 0.2, "warmup_rps": 20.0, "load_s": 0.4, "rate_rps": 100.0}
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
    stage.order(b"start 0.1\n")
    assert stage.run() == 0
    assert capsys.readouterr().out == TRAFFIC_READY + "\n"
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


def test_a_disk_that_fills_up(
    make_stage: Callable[..., Stage], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full disk stops a load of hours with one line that names the file, and exit code 1."""
    stage = make_stage(load_s=9000.0)
    for queue in stage.load._queues.values():
        with Path("/dev/full").open("w") as full:
            os.dup2(full.fileno(), queue.recorder._csv_file.fileno())
    stage.order(b"start 0\n")
    assert stage.run() == 1
    assert capsys.readouterr().err == (
        f"{tmp_path / 'leaky' / 'requests.csv'}: the recording cannot be written: No space left on device; "
        "its directory must exist and have space\n"
    )


def test_close_is_idempotent(make_stage: Callable[..., Stage], tmp_path: Path) -> None:
    """A second close writes nothing."""
    stage = make_stage()
    stage.order(b"start 0.1\n")
    stage.run()
    before = (tmp_path / "leaky" / "requests.csv").read_text()
    stage.load.close()
    assert (tmp_path / "leaky" / "requests.csv").read_text() == before


def test_users_of_both_arms(make_stage: Callable[..., Stage]) -> None:
    """Every arm has its own class of users, with its URL and its number of users."""
    stage = make_stage()
    assert [(user.__name__, user.host, user.fixed_count) for user in stage.environment.user_classes] == [
        ("leaky", "http://127.0.0.1:1", 2),
        ("fixed", "http://127.0.0.1:2", 2),
    ]
    options = stage.environment.parsed_options
    assert options is not None
    assert options.num_users == 4


@pytest.mark.parametrize(
    ("order", "start_s"), [(b"start 12.5\n", 12.5), (b"start 0\n", 0.0), (b"start 3", 3.0)]
)
def test_start(order: bytes, start_s: float) -> None:
    """The order is the word start and a time."""
    assert start_of(order) == start_s


@pytest.mark.parametrize(
    "order", [b"start\n", b"start soon\n", b"start nan\n", b"start -1\n", b"start 1 2\n", b"\xff\n"]
)
def test_no_start(order: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="expected 'start <t_s>'"):
        start_of(order)
