"""The workers of the loads: who has joined, who shares a load, who is lost."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Final

from gevent.event import Event
from locust import runners
from locust.rpc import Message
from locust.runners import STATE_MISSING, MasterRunner

from locustfiles.locust_process import LocustProcess
from locustfiles.messages import HELLO, PLAN, REFUSED, STOP, fingerprint
from soak.contract import WORKER_LOST, Traffic
from soak.contract.clock import RunClock

SILENT_S: Final = 10
"""Heartbeats that a worker may leave out, one a second, before it is lost, which takes up to two seconds more.

What it could not send meanwhile it counts as missed itself, so a longer time hides nothing; but the rows of the load
wait for it.
"""


def wait_for_silent_workers() -> None:
    """Have Locust wait for a worker that a busy machine holds up: by default it is lost after four seconds."""
    runners.HEARTBEAT_LIVENESS = SILENT_S


class Membership:
    """Admits workers that have the same plan, while no load is under way; a process without workers is its own.

    ``loss`` is the consequence of a lost worker, for people.
    """

    def __init__(self, traffic: Traffic, process: LocustProcess, clock: RunClock, loss: str) -> None:
        self._traffic = traffic
        self._runner = process.runner
        self._clock = clock
        self._loss = loss
        options = process.environment.parsed_options
        self.expected: int = options.expect_workers if options and self._is_master else 1
        """Number of workers without which no load begins."""
        self.complete = Event()
        """Set once ``expected`` workers have joined."""
        self._joined: dict[str, None] = {}
        """Workers that have ever joined: one that was lost may be back for the next load."""
        self._sharing: tuple[str, ...] = ()
        """Workers of the newest load, in the order of their shares."""
        self._lost: set[str] = set()
        """Workers that were lost during the newest load."""
        self._loading = False
        self._runner.register_message(HELLO, self._on_hello)
        self._runner.register_message(PLAN, self._on_plan)

    @property
    def all_lost(self) -> bool:
        """Whether no worker is left of the newest load."""
        return self._lost.issuperset(self._sharing)

    def begin_load(self) -> tuple[str, ...]:
        """Admit nobody until ``end_load``; return the workers that are there, in the order of their shares."""
        self._sharing = tuple(filter(self._is_there, self._joined))
        self._lost.clear()
        self._loading = True
        return self._sharing

    def end_load(self) -> None:
        """Admit workers again."""
        self._loading = False

    def newly_lost(self, workers: Iterable[str]) -> list[str]:
        """Return those of ``workers`` that are there no more, after telling them to stop."""
        lost = [worker for worker in workers if not self._is_there(worker)]
        for worker in lost:
            self._lost.add(worker)
            print(f"{WORKER_LOST} {worker}: {self._loss}", file=sys.stderr, flush=True)
            self.stop_if_lost(worker)
        return lost

    def stop_if_lost(self, worker: str) -> None:
        """Have a lost worker stop sending: it may have been cut off for a while only."""
        if worker in self._lost:
            self._runner.send_message(STOP, {"end_s": self._clock.now_s()}, client_id=worker)

    @property
    def _is_master(self) -> bool:
        return isinstance(self._runner, MasterRunner)

    def _is_there(self, worker: str) -> bool:
        if not isinstance(self._runner, MasterRunner):
            return True
        node = self._runner.clients.get(worker)
        return node is not None and node.state != STATE_MISSING

    def _on_hello(self, msg: Message, **_: object) -> None:
        if msg.data["fingerprint"] != fingerprint(self._traffic):
            self._refuse(msg.node_id, "its traffic.json is not a copy of the master's; copy that")
        elif self._loading:
            self._refuse(msg.node_id, "it joined after the start of the load; start it before")
        else:
            self._joined[msg.node_id] = None
            if self._is_master:
                joined = f"worker {msg.node_id} joined: {len(self._joined)} of {self.expected}"
                print(joined, file=sys.stderr, flush=True)
            if len(self._joined) >= self.expected:
                self.complete.set()

    def _on_plan(self, msg: Message, **_: object) -> None:
        self._runner.send_message(PLAN, {"traffic": self._traffic.to_json()}, client_id=msg.node_id)

    def _refuse(self, worker: str, why: str) -> None:
        reason = f"worker {worker} gets no share of the load: {why}"
        print(reason, file=sys.stderr, flush=True)
        self._runner.send_message(REFUSED, {"reason": reason}, client_id=worker)
