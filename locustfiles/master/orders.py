"""The orders of the run on standard input, and the line that asks for them."""

from __future__ import annotations

import math
import re
from typing import BinaryIO, Final

import gevent
from gevent.event import Event
from locust.runners import STATE_RUNNING, STATE_SPAWNING
from locust.web import WebUI

from locustfiles.locust_process import LocustProcess
from locustfiles.master.loads import Loads
from locustfiles.master.membership import Membership
from soak.contract import TRAFFIC_READY
from soak.contract.clock import RunClock
from soak.errors import UsageError

IDLE_ORDER: Final = b"idle"
SERVER_CHECK_EVERY_S: Final = 0.1


class Orders:
    """Begins loads as ordered, and ends Locust when the orders end: the process that gives them is gone.

    Without Locust's web UI the one order is ``start <t_s>``. With it, Start in the web UI begins a load; a Start after
    the first load waits for the order ``idle``: what follows a load is done.
    """

    def __init__(self, lines: BinaryIO, process: LocustProcess, loads: Loads, clock: RunClock) -> None:
        self._lines = lines
        self._process = process
        self._loads = loads
        self._clock = clock
        self._idle = Event()
        self._idle.set()
        self.ready = False
        """Whether TRAFFIC_READY is printed."""

    def follow_start(self) -> None:
        """Print TRAFFIC_READY, then begin the load by the order ``start <t_s>``; idempotent."""
        if not self.ready:
            self._process.spawn(self._follow_start)
            self._print_ready()

    def follow_web_ui(self, web_ui: WebUI, members: Membership) -> None:
        """Print TRAFFIC_READY when web UI and workers are up, then follow the orders ``idle`` to their end."""
        members.complete.wait()
        while not (web_ui.server and web_ui.server.started):
            gevent.sleep(SERVER_CHECK_EVERY_S)
        self._print_ready()
        for order in self._lines:
            if order.strip() == IDLE_ORDER:
                self._idle.set()
        self._process.quit()

    def begin_when_idle(self) -> None:
        """Begin the load that Start in the web UI asked for, unless Stop comes first."""
        self._idle.wait()
        started = self._process.runner.state in {STATE_SPAWNING, STATE_RUNNING}
        if started and not self._loads.under_way.is_set():
            self._idle.clear()
            self._loads.begin(math.ceil(self._clock.now_s()) + 1.0)

    def _follow_start(self) -> None:
        if order := self._lines.readline():
            try:
                self._loads.begin(start_of(order))
            except UsageError as error:
                self._process.fail(error)
            else:
                for _ in self._lines:
                    pass
        self._process.quit()

    def _print_ready(self) -> None:
        self.ready = True
        print(TRAFFIC_READY, flush=True)


def start_of(order: bytes) -> float:
    """Return the ``t_s`` of the order ``start <t_s>``; raises UsageError for any other."""
    if match := re.fullmatch(rb"start (\d+(\.\d+)?)\s*", order):
        return float(match[1])
    raise UsageError(
        f"standard input: expected 'start <t_s>', got {order.decode(errors='replace').strip()!r}"
    )
