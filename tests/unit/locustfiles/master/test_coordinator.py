from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, cast

import gevent
import pytest
from gevent.event import Event
from gevent.fileobject import FileObject
from locust import __version__
from locust.env import Environment
from locust.rpc import Message
from locust.runners import STATE_MISSING

from locustfiles.counts import Second
from locustfiles.master.coordinator import SoakLoad, start_of
from locustfiles.master.recorder import ArmRecorder
from locustfiles.messages import BEGIN, HELLO, PLAN, REFUSED, REPORT, STOP, Report, fingerprint
from locustfiles.roles import set_up
from locustfiles.schedule.phases import Timetable
from locustfiles.worker.user import ArmUser
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
        set_up(self.environment, traffic, self._reader)

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
    ready, began, ended = capsys.readouterr().out.splitlines()
    assert (ready, began) == (TRAFFIC_READY, f"{LOAD_BEGAN} 0.100 0.300")
    assert ended.startswith(LOAD_ENDED)
    assert 0.7 <= float(ended.removeprefix(LOAD_ENDED)) < 2
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
    make_stage: Callable[..., Stage],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A full disk stops a load of hours with one line that names the file, and exit code 1."""
    begin = ArmRecorder.begin

    def begin_on_a_full_disk(recorder: ArmRecorder, timetable: Timetable) -> None:
        begin(recorder, timetable)
        with Path("/dev/full").open("w") as full:
            os.dup2(full.fileno(), recorder._csv_file.fileno())

    monkeypatch.setattr(ArmRecorder, "begin", begin_on_a_full_disk)
    stage = make_stage(load_s=9000.0)
    stage.order(b"start 0\n")
    assert stage.run() == 1
    assert capsys.readouterr().err == (
        f"{tmp_path / 'leaky' / 'requests.csv'}: the recording cannot be written: No space left on device; "
        "its directory must exist and have space\n"
    )


def test_users_of_both_arms(make_stage: Callable[..., Stage]) -> None:
    """Every arm has its own class of users, with its URL and its number of users."""
    stage = make_stage()
    classes = cast(list[type[ArmUser]], stage.environment.user_classes)
    assert [(user.__name__, user.url, user.fixed_count) for user in classes] == [
        ("leaky", "http://127.0.0.1:1", 2),
        ("fixed", "http://127.0.0.1:2", 2),
    ]
    options = stage.environment.parsed_options
    assert options is not None
    assert options.num_users == 4


class Post:
    """Stands for the master's socket: keeps what is sent to workers."""

    sent: ClassVar[list[Message]] = []

    def __init__(self, *_: object) -> None:
        self.sent.clear()

    def send_to_client(self, message: Message) -> None:
        self.sent.append(message)

    def recv_from_client(self) -> None:
        Event().wait()


class Master:
    """A real master of Locust's, the load on it, and workers that say what the test has them say."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        options = Namespace(expect_workers=2, enable_rebalancing=False, headless=True)
        self.environment = Environment(parsed_options=options)
        self.runner = self.environment.create_master_runner("127.0.0.1", 0)
        self.environment.process_exit_code = 0
        reading, writing = os.pipe()
        self._ends = [reading, writing]
        self.load = SoakLoad(traffic, FileObject(reading, "rb", buffering=0, closefd=False))
        self.load.register(self.environment)

    def say(self, worker: str, message: str, data: object) -> None:
        self.runner.handle_message(worker, Message(message, data, worker))

    def join(self, worker: str, **keys: Any) -> None:
        """Let a worker connect that has the master's plan, with some keys replaced."""
        self.say(worker, "client_ready", __version__)
        self.say(worker, HELLO, {"fingerprint": fingerprint(replace(self.traffic, **keys))})

    def report(self, worker: str, second: int, *, sent: int, last: bool = False) -> None:
        """Let a worker report a second in which it sent this much to each arm."""
        arms = {arm: Second(sent=sent, ok=sent) for arm in self.traffic.arms}
        self.say(worker, REPORT, Report(second, arms, last).pack())

    def told(self, message: str) -> list[tuple[str, Any]]:
        """Return what workers were told with such a message."""
        return [(sent.node_id, sent.data) for sent in Post.sent if sent.type == message]

    def begin(self) -> None:
        self.load._ready = True
        self.load._begin(0.0)

    def end(self) -> int | None:
        """Wait until the load has ended Locust, and do what Locust's main does then; return the exit code."""
        self.runner.greenlet.join(timeout=10)
        assert not self.runner.greenlet
        self.close()
        return self.environment.process_exit_code

    def close(self) -> None:
        self.load.close()
        self.runner.greenlet.kill()
        for end in self._ends:
            os.close(end)
        self._ends.clear()


@pytest.fixture
def master(
    tmp_path: Path, make_traffic: Callable[..., Traffic], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Master]:
    """Return a master without workers; its load has ten requests a second for three seconds."""
    monkeypatch.setattr("locust.runners.rpc.Server", Post)
    for arm in ("leaky", "fixed"):
        (tmp_path / arm).mkdir()
    made = Master(
        make_traffic(
            out_dir=str(tmp_path), t0_monotonic_s=time.monotonic(), warmup_s=0.0, load_s=3.0, rate_rps=10.0
        )
    )
    yield made
    if made._ends:
        made.close()


def test_the_schedule_is_split(master: Master, tmp_path: Path, read_rows: ReadRows) -> None:
    """Every worker is told its share and when to start; the rows have the sum of their reports."""
    master.join("one")
    master.join("two")
    master.begin()
    begins = master.told(BEGIN)
    assert [(worker, data["share"], data["shares"], data["seed"]) for worker, data in begins] == [
        ("one", 0, 2, 7),
        ("two", 1, 2, 7),
    ]
    assert all(data["start_s"] == 0.0 and -1 < data["in_s"] <= 0 for _, data in begins)
    for second in range(3):
        master.report("one", second, sent=5, last=second == 2)
        master.report("two", second, sent=5, last=second == 2)
    assert master.end() == 0
    for arm in ("leaky", "fixed"):
        rows = read_rows(tmp_path / arm)
        assert [(row["t_s"], row["planned"], row["sent"], row["missed"]) for row in rows] == [
            (str(second), "10", "10", "0") for second in range(3)
        ]


def test_a_worker_with_another_plan(master: Master, capsys: pytest.CaptureFixture[str]) -> None:
    """A worker whose plan is not the master's gets no share and is told why."""
    master.join("one", seed=8)
    master.join("two")
    master.begin()
    reason = "worker one gets no share of the load: its traffic.json is not a copy of the master's; copy that"
    assert master.told(REFUSED) == [("one", {"reason": reason})]
    assert capsys.readouterr().err == f"{reason}\nworker two joined: 1 of 2\n"
    assert [(worker, data["shares"]) for worker, data in master.told(BEGIN)] == [("two", 1)]
    master.report("two", 0, sent=10, last=True)
    master.end()


def test_the_last_worker_is_gone(
    master: Master, tmp_path: Path, read_rows: ReadRows, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without any worker the load ends with a line for each, its rows so far, and exit code 1."""
    master.join("one")
    master.join("two")
    master.begin()
    for worker in ("one", "two"):
        master.report(worker, 0, sent=5)
        master.runner.clients[worker].state = STATE_MISSING
    assert master.end() == 1
    assert capsys.readouterr().err == (
        "worker one joined: 1 of 2\n"
        "worker two joined: 2 of 2\n"
        "worker one is gone; the rest of its share counts as missed\n"
        "worker two is gone; the rest of its share counts as missed\n"
        "no worker is left to send the load\n"
    )
    (row,) = read_rows(tmp_path / "fixed")
    assert (row["planned"], row["sent"]) == ("10", "10")


def test_a_worker_that_was_cut_off_is_stopped(master: Master) -> None:
    """A worker that Locust misses is told to stop: its share counts as missed from then on."""
    master.join("one")
    master.join("two")
    master.begin()
    master.runner.clients["one"].state = STATE_MISSING
    master.report("two", 0, sent=5, last=True)
    assert master.end() == 0
    assert [worker for worker, _ in master.told(STOP)] == ["one"]


def test_a_worker_that_is_back(
    tmp_path: Path, make_traffic: Callable[..., Traffic], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that was cut off in a load has a share of the next one, and is told again to stop the old one."""
    monkeypatch.setattr("locust.runners.rpc.Server", Post)
    for arm in ("leaky", "fixed"):
        (tmp_path / arm).mkdir()
    master = Master(
        make_traffic(out_dir=str(tmp_path), t0_monotonic_s=time.monotonic(), warmup_s=0.0, load_s=3.0)
    )
    master.load._stopping = True  # so that the end of a load does not end Locust, as in the web UI
    for worker in ("one", "two"):
        master.join(worker)
    master.begin()
    one = master.runner.clients["one"]
    one.state = STATE_MISSING
    with gevent.Timeout(5):
        while not master.told(STOP):
            gevent.sleep(0.01)
    one.state = "running"
    master.report("one", 1, sent=5)
    assert [worker for worker, _ in master.told(STOP)] == ["one", "one"]
    master.load._stopping = True
    master.report("two", 0, sent=5, last=True)
    with gevent.Timeout(5):
        master.load._over.wait()
    Post.sent.clear()
    master.load._begin(100.0)
    assert [(worker, data["shares"]) for worker, data in master.told(BEGIN)] == [("one", 2), ("two", 2)]
    for worker in ("one", "two"):
        master.report(worker, 100, sent=5, last=True)
    master.close()


def test_the_plan_is_there_for_the_asking(master: Master) -> None:
    """Whoever asks gets the plan as it was read, before it joins."""
    master.say("somebody", PLAN, None)
    ((who, answer),) = master.told(PLAN)
    assert (who, Traffic.from_json(answer["traffic"])) == ("somebody", master.traffic)


def test_no_worker_at_the_start(master: Master, capsys: pytest.CaptureFixture[str]) -> None:
    """A start without any worker fails at once."""
    master.begin()
    assert master.end() == 1
    assert capsys.readouterr().err == "no worker is left to send the load\n"


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
