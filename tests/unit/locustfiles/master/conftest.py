"""A real master of Locust's without its socket, and workers that send what a test has them send."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import gevent
import pytest
from gevent.event import Event
from locust import __version__
from locust.env import Environment
from locust.rpc import Message

from locustfiles.counts import Second
from locustfiles.locust_process import LocustProcess
from locustfiles.master.loads import Loads
from locustfiles.master.membership import Membership
from locustfiles.messages import HELLO, SECOND_REPORT, SecondReport, fingerprint
from locustfiles.schedule.arrivals import planned_starts
from soak.contract import Traffic
from soak.contract.clock import RunClock


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
    """The master of a load, which expects two workers; its clock stands at 0.5 s, and its sleeps take no time."""

    def __init__(self, traffic: Traffic) -> None:
        self.traffic = traffic
        options = Namespace(expect_workers=2, enable_rebalancing=False, headless=True)
        self.environment = Environment(parsed_options=options)
        self.runner = self.environment.create_master_runner("127.0.0.1", 0)
        # Locust's own waits half a second for workers that do not exist here.
        self.quitted = Event()
        self.runner.quit = self.quitted.set  # type: ignore[method-assign]
        self.process = LocustProcess(self.environment)
        clock = RunClock(traffic.t0_monotonic_s, monotonic_s=lambda: 0.5)
        self.members = Membership(traffic, self.process, clock, "its share is missed")
        self.loads = Loads(
            traffic, self.process, self.members, clock, planned_starts, lambda _: gevent.sleep(0)
        )

    def receive(self, worker: str, message: str, data: object) -> None:
        """Let a message of a worker arrive."""
        self.runner.handle_message(worker, Message(message, data, worker))

    def join(self, worker: str, **keys: Any) -> None:
        """Let a worker connect that has the master's plan, with some keys replaced."""
        self.receive(worker, "client_ready", __version__)
        self.receive(worker, HELLO, {"fingerprint": fingerprint(replace(self.traffic, **keys))})

    def report(self, worker: str, second: int, *, sent: int, last: bool = False) -> None:
        """Let a worker report a second in which it sent this much to each arm."""
        arms = {arm: Second(sent=sent, ok=sent) for arm in self.traffic.arms}
        self.receive(worker, SECOND_REPORT, SecondReport(second, arms, last).pack())

    def sent(self, message: str) -> list[tuple[str, Any]]:
        """Return the workers and the data of such a message to them."""
        return [(sent.node_id, sent.data) for sent in Post.sent if sent.type == message]

    def end(self) -> int | None:
        """Wait until the load has ended Locust; return the exit code."""
        assert self.quitted.wait(timeout=10)
        return self.environment.process_exit_code

    def close(self) -> None:
        """Kill what runs; idempotent."""
        self.process.close()
        self.loads.close()
        self.runner.greenlet.kill()


@pytest.fixture
def master(
    tmp_path: Path, make_traffic: Callable[..., Traffic], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Master]:
    """Return a master without workers; its load has ten requests a second for three seconds."""
    monkeypatch.setattr("locust.runners.rpc.Server", Post)
    for arm in ("leaky", "fixed"):
        (tmp_path / arm).mkdir()
    made = Master(make_traffic(out_dir=str(tmp_path), warmup_s=0.0, load_s=3.0, rate_rps=10.0))
    yield made
    made.close()
