"""The orders of a replay on standard input, and the lines that answer them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import BinaryIO, Final

import gevent

from locustfiles.locust_process import LocustProcess
from locustfiles.replay.gate import Gate
from soak.contract import REPLAY_PAUSED, TRAFFIC_READY
from soak.errors import UsageError

LOOK_EVERY_S: Final = 0.02
"""Time between two looks whether a period is over, seconds."""


class ReplayOrders:
    """Opens the gate as ordered, and prints REPLAY_PAUSED with the requests once all of a period have ended.

    The orders are ``send LEAST SECONDS``, and ``pause`` for the end of a period before its time. Locust ends with them.
    """

    def __init__(
        self,
        lines: BinaryIO,
        process: LocustProcess,
        gate: Gate,
        is_drained: Callable[[], bool],
        drain_s: float,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Within ``drain_s`` seconds after a period its requests have to end."""
        self._lines = lines
        self._process = process
        self._gate = gate
        self._is_drained = is_drained
        self._drain_s = drain_s
        self._now_s = now_s

    def follow(self, **_: object) -> None:
        """Print TRAFFIC_READY and follow the orders; for Locust's event of its users."""
        self._process.spawn(self._follow)
        print(TRAFFIC_READY, flush=True)

    def _follow(self) -> None:
        for order in self._lines:
            if order.strip() == b"pause":
                self._gate.close()
            elif match := re.fullmatch(rb"send (\d+) (\d+(?:\.\d+)?)\s*", order):
                self._gate.open(int(match[1]), float(match[2]))
                self._process.spawn(self._await_pause)
            else:
                text = order.decode(errors="replace").strip()
                self._process.fail(UsageError(f"standard input: expected 'send' or 'pause', got {text!r}"))
                break
        self._process.quit()

    def _await_pause(self) -> None:
        while self._gate.is_open:
            gevent.sleep(LOOK_EVERY_S)
            self._gate.check()
        until_s = self._now_s() + self._drain_s
        while not self._is_drained() and self._now_s() < until_s:
            gevent.sleep(LOOK_EVERY_S)
        requests = {"sent": self._gate.names, "failed": self._gate.failed}
        print(REPLAY_PAUSED, json.dumps(requests, sort_keys=True), flush=True)
