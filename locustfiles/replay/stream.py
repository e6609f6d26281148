"""The requests of a replay in the place of an arm's queue: the next one of the run, as soon as a user is free."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Final

import gevent

from locustfiles.counts import ArmCounter
from locustfiles.replay.gate import Gate
from locustfiles.schedule.arrivals import schedule
from locustfiles.schedule.requests import USERS, PlannedRequest
from locustfiles.worker.queue import ArmQueue
from soak.contract import Traffic

ENDLESS_S: Final = 1.0
"""Time for streams without end, WebSockets and bad clients, seconds: in the run they may last until its next pause."""
CLOGGED_S: Final = 0.02
"""Time between two looks whether clients of other lanes have taken what waits for them, seconds."""


class GateCounter(ArmCounter):
    """Counts the requests of an arm at a gate, and nothing by the second; each of them ends once."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate

    def sent(self, now_s: float, name: str) -> None:  # noqa: ARG002, D102 - as ArmCounter
        self._gate.sent(name)

    def sent_badly(self, now_s: float, name: str) -> None:  # noqa: ARG002, D102
        self._gate.sent(name)

    def ended(self, now_s: float, planned_s: float, sent_s: float, failure: str | None, *_: object) -> None:  # noqa: ARG002, D102
        self._gate.ended(failure)

    def ended_badly(self, now_s: float, failure: str | None) -> None:  # noqa: ARG002, D102
        self._gate.ended(failure)

    def closed(self, now_s: float, failure: str | None) -> None:  # noqa: ARG002, D102
        self._gate.ended(failure)

    def opened(self, *_: object) -> None:  # noqa: D102
        pass

    def message_sent(self, *_: object) -> None:  # noqa: D102
        pass

    def message_received(self, *_: object) -> None:  # noqa: D102
        pass


class ReplayQueue(ArmQueue):
    """Hands the requests of a stream to the users of an arm, one to each that is free while the gate is open.

    Other lanes get theirs from the same stream. While ``most`` requests wait, nobody gets
    any.
    """

    def __init__(
        self, stream: Iterator[PlannedRequest], gate: Gate, most: int, now_s: Callable[[], float]
    ) -> None:
        super().__init__(math.inf, now_s)
        self.counter = GateCounter(gate)
        self._stream = stream
        self._gate = gate
        self._most = most

    def take(self, lane: str = USERS) -> PlannedRequest:
        """Wait for the next request of a lane; the caller sends it at once."""
        while lane == USERS:
            self._gate.wait()
            if len(self) >= self._most:
                gevent.sleep(CLOGGED_S)
                continue
            request = next(self._stream)
            now_s = self._now_s()
            self.offer(replace(request, planned_s=now_s, until_s=now_s + ENDLESS_S))
            if request.lane == USERS:
                break
        return super().take(lane)


def replayed(traffic: Traffic, environment: Mapping[str, str] = os.environ) -> Iterator[PlannedRequest]:
    """Yield the requests of the run from their start, then those of the next seeds, without end.

    Where the warm-up sends other sizes than the judged load, the stream begins with the load. Raises as ``schedule``.
    """
    traffic = replace(traffic, mix="random")  # growth per request is even only in a constant mix
    if traffic.warmup_request_bytes != traffic.request_bytes:
        traffic = replace(traffic, warmup_s=0.0)
    for seed in count(traffic.seed):
        yield from schedule(replace(traffic, seed=seed), 0.0, environment)
