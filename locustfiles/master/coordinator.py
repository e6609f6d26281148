"""The load of a run as a plugin of Locust: from its start to its last recorded second."""

from __future__ import annotations

import math
import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.rpc import Message
from locust.runners import STATE_MISSING, STATE_RUNNING, STATE_SPAWNING, MasterRunner, Runner
from locust.web import WebUI

from locustfiles.master.ledger import Ledger, Row
from locustfiles.master.recorder import ArmRecorder, CannotRecordError
from locustfiles.master.spawning import FixedUsers
from locustfiles.messages import BEGIN, HELLO, PLAN, REFUSED, REPORT, STOP, Begin, Report, fingerprint
from locustfiles.schedule.arrivals import planned_starts
from locustfiles.schedule.phases import Timetable, longest_drain_s
from soak.contract import LOAD_BEGAN, LOAD_ENDED, TRAFFIC_READY, Traffic
from soak.contract.clock import RunClock
from soak.errors import EXIT_HARNESS_FAILED, EXIT_OK, EXIT_USAGE

LOOK_EVERY_S = 0.1
STOP_LEAD_S = 0.2
"""A load that is stopped ends this much later, for every sender at the same instant."""
IDLE_ORDER = b"idle"
GIVE_UP_S = 10.0
"""Beyond the longest drain: what Locust may take to notice that a worker is gone."""


class SoakLoad:
    """Has the planned load sent, and records it: by this process, or as Locust's master by its workers.

    When all users are spawned it prints TRAFFIC_READY and reads the line ``start <t_s>`` from ``orders``. With Locust's
    web UI it is ready at once, and Start and Stop drive one load after the other, each with a seed of its own; a Start
    after the first load waits for the line ``idle``, which says that what follows a load is done. When ``orders``
    ends, whoever gave them is gone, and it quits.
    """

    loss = "the rest of its share counts as missed"
    """What it means that a worker is gone, for people."""

    def __init__(self, traffic: Traffic, orders: BinaryIO) -> None:
        """Open the recordings; raises CannotRecordError."""
        self._traffic = traffic
        self._orders = orders
        self._clock = RunClock(traffic.t0_monotonic_s)
        self._recorders = {
            arm: ArmRecorder(arm, Path(traffic.out_dir, arm), self._clock) for arm in traffic.arms
        }
        self._known: dict[str, None] = {}
        """All that have said hello with the same plan; one that was cut off may be back for the next load."""
        self._senders: tuple[str, ...] = ()
        """Those of the load that is under way, in the order of their shares."""
        self._gone: set[str] = set()
        """Those among them that were lost on the way."""
        self._ledger = Ledger((), 0, (), ())
        self._loads = 0
        self._start_s = 0.0
        """Start of the warm-up of the newest load, ``t_s``."""
        self._over = Event()
        """No load is under way."""
        self._over.set()
        self._stopping = False
        self._idle = Event()
        """Whoever gives the orders is ready for a load that Start asks for."""
        self._idle.set()
        self._ready = False
        self._greenlets: list[gevent.Greenlet] = []

    def register(self, environment: Environment) -> None:
        """Listen to Locust and to the senders."""
        self._environment = environment
        self._runner = cast(Runner, environment.runner)
        self._runner.register_message(HELLO, self._on_hello)
        self._runner.register_message(REPORT, self._on_report)
        self._runner.register_message(PLAN, self._on_plan)
        options = cast(Namespace, environment.parsed_options)
        self._expected = options.expect_workers if isinstance(self._runner, MasterRunner) else 1
        if environment.web_ui:
            self._spawn(self._follow_web, environment.web_ui)
        self._have_users_spawned(environment, options)
        environment.events.test_stopping.add_listener(self._stop)
        environment.events.quitting.add_listener(self.close)

    def close(self, **_: object) -> None:
        """Stop the load and write what is recorded; idempotent."""
        if not self._ready:
            self._fail("Locust ended before the load was ready; the lines above say why", EXIT_HARNESS_FAILED)
        self._stop()
        gevent.killall(self._greenlets)
        for recorder in self._recorders.values():
            try:
                recorder.close()
            except CannotRecordError as error:
                self._fail(str(error), EXIT_HARNESS_FAILED)

    def _have_users_spawned(self, environment: Environment, options: Namespace) -> None:
        """Set how many users Locust starts, and begin the load when they are there."""
        users = self._traffic.users_per_arm * len(self._traffic.arms) * self._expected
        if environment.web_ui:
            environment.shape_class = FixedUsers(users)
            environment.events.spawning_complete.add_listener(self._on_web_start)
        else:
            options.num_users = users
            options.spawn_rate = 1
            environment.events.spawning_complete.add_listener(self._on_ready)

    def _on_ready(self, **_: object) -> None:
        # Locust tells it again when a worker joins or leaves.
        self._environment.events.spawning_complete.remove_listener(self._on_ready)
        self._spawn(self._follow_orders)
        self._say_ready()

    def _follow_orders(self) -> None:
        if order := self._orders.readline():
            try:
                self._begin(start_of(order))
            except ValueError as error:
                self._fail(str(error), EXIT_USAGE)
            else:
                self._await_end_of_orders()
        self._quit()

    def _follow_web(self, web_ui: WebUI) -> None:
        while not (web_ui.server and web_ui.server.started and len(self._known) >= self._expected):
            gevent.sleep(LOOK_EVERY_S)
        self._say_ready()
        for order in self._orders:
            if order.strip() == IDLE_ORDER:
                self._idle.set()
        self._quit()

    def _say_ready(self) -> None:
        self._ready = True
        print(TRAFFIC_READY, flush=True)

    def _await_end_of_orders(self) -> None:
        for _ in self._orders:
            pass

    def _on_web_start(self, **_: object) -> None:
        self._spawn(self._begin_when_idle)

    def _begin_when_idle(self) -> None:
        """Begin the load that Start asked for, unless Stop came first."""
        self._idle.wait()
        if self._over.is_set() and self._runner.state in {STATE_SPAWNING, STATE_RUNNING}:
            self._idle.clear()
            self._begin(math.ceil(self._clock.now_s()) + 1.0)

    def _on_hello(self, msg: Message, **_: object) -> None:
        if msg.data["fingerprint"] != fingerprint(self._traffic):
            self._refuse(msg.node_id, "its traffic.json is not a copy of the master's; copy that")
        elif not self._over.is_set():
            self._refuse(msg.node_id, "it joined after the start of the load; start it before")
        else:
            self._known[msg.node_id] = None
            if isinstance(self._runner, MasterRunner):
                told = f"worker {msg.node_id} joined: {len(self._known)} of {self._expected}"
                print(told, file=sys.stderr, flush=True)

    def _on_plan(self, msg: Message, **_: object) -> None:
        self._runner.send_message(PLAN, {"traffic": self._traffic.to_json()}, client_id=msg.node_id)

    def _refuse(self, worker: str, why: str) -> None:
        reason = f"worker {worker} gets no share of the load: {why}"
        print(reason, file=sys.stderr, flush=True)
        self._runner.send_message(REFUSED, {"reason": reason}, client_id=worker)

    def _begin(self, start_s: float) -> None:
        """Begin a load whose warm-up starts at ``start_s``, by all senders that are there."""
        self._senders = tuple(filter(self._there, self._known))
        self._gone.clear()
        traffic = replace(self._traffic, seed=self._traffic.seed + self._loads)
        timetable = Timetable.of(traffic, start_s)
        starts_s = self._planned_starts(traffic, start_s)
        self._ledger = Ledger(starts_s, timetable.warmup_s, tuple(traffic.arms), self._senders)
        for recorder in self._recorders.values():
            recorder.begin(timetable)
        self._loads += 1
        self._start_s = start_s
        self._over.clear()
        self._stopping = False
        print(f"{LOAD_BEGAN} {start_s:.3f} {start_s + traffic.warmup_s:.3f}", flush=True)
        for share, sender in enumerate(self._senders):
            begin = Begin(traffic.seed, start_s, start_s - self._clock.now_s(), share, len(self._senders))
            self._runner.send_message(BEGIN, begin.pack(), client_id=sender)
        self._spawn(self._record)

    def _planned_starts(self, traffic: Traffic, start_s: float) -> Iterable[float]:
        return planned_starts(traffic, start_s)

    def _planned(self, row: Row, arm: str) -> int:  # noqa: ARG002 - the same for every arm here
        """Return how many requests were planned for an arm in a second."""
        return row.planned

    def _on_report(self, msg: Message, **_: object) -> None:
        if msg.node_id in self._gone:
            self._tell_to_stop(msg.node_id)
        self._ledger.report(msg.node_id, Report.unpack(msg.data))

    def _record(self) -> None:
        try:
            while self._ledger.sending:
                gevent.sleep(LOOK_EVERY_S)
                self._drop_gone_senders()
                self._write_rows()
            self._write_rows()
            for recorder in self._recorders.values():
                recorder.end()
            if self._gone.issuperset(self._senders):
                self._fail("no worker is left to send the load", EXIT_HARNESS_FAILED)
        except CannotRecordError as error:
            self._fail(str(error), EXIT_HARNESS_FAILED)
        print(f"{LOAD_ENDED} {self._clock.now_s():.3f}", flush=True)
        self._over.set()
        if self._environment.process_exit_code != EXIT_OK:
            self._quit()
        # Otherwise Locust is stopping already, and waits for this.
        elif not self._stopping:
            (self._runner.stop if self._environment.web_ui else self._runner.quit)()

    def _write_rows(self) -> None:
        for row in self._ledger.rows():
            for arm, recorder in self._recorders.items():
                recorder.write(row.second, self._planned(row, arm), row.arms[arm])

    def _drop_gone_senders(self) -> None:
        for sender in self._ledger.sending:
            if not self._there(sender):
                self._ledger.gone(sender)
                self._gone.add(sender)
                told = f"worker {sender} is gone; {self.loss}"
                print(told, file=sys.stderr, flush=True)
                self._tell_to_stop(sender)

    def _tell_to_stop(self, sender: str) -> None:
        """It may only be cut off for a while, and would then go on."""
        self._runner.send_message(STOP, {"end_s": self._clock.now_s()}, client_id=sender)

    def _there(self, sender: str) -> bool:
        if not isinstance(self._runner, MasterRunner):
            return True
        worker = self._runner.clients.get(sender)
        return worker is not None and worker.state != STATE_MISSING

    def _stop(self, **_: object) -> None:
        """End the load that is under way, drain included, and wait for its last row."""
        if not self._over.is_set() and not self._stopping:
            self._stopping = True
            end_s = self._clock.now_s() + STOP_LEAD_S
            self._ledger.stop(end_s)
            self._runner.send_message(STOP, {"end_s": end_s})
        self._over.wait(longest_drain_s(self._traffic) + GIVE_UP_S)

    def _quit(self) -> None:
        self._runner.quit()
        if self._environment.web_ui:
            self._environment.web_ui.stop()

    def _fail(self, message: str, exit_code: int) -> None:
        if self._environment.process_exit_code == EXIT_OK:
            print(message, file=sys.stderr, flush=True)
            self._environment.process_exit_code = exit_code

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        greenlet = gevent.spawn(work, *arguments)
        greenlet.link_exception(self._on_fault)
        self._greenlets.append(greenlet)

    def _on_fault(self, _: gevent.Greenlet) -> None:
        # gevent has printed the traceback; a load generator without its load must not look alive.
        self._environment.process_exit_code = EXIT_HARNESS_FAILED
        self._over.set()
        gevent.spawn(self._quit)


def start_of(order: bytes) -> float:
    """Return the ``t_s`` of the line ``start <t_s>``; raises ValueError for any other."""
    if match := re.fullmatch(rb"start (\d+(\.\d+)?)\s*", order):
        return float(match[1])
    raise ValueError(
        f"standard input: expected 'start <t_s>', got {order.decode(errors='replace').strip()!r}"
    )
