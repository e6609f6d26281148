"""The orders of a replay, and the lines that answer them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, cast

import gevent
import pytest

from locustfiles.locust_process import LocustProcess
from locustfiles.replay.gate import Gate
from locustfiles.replay.orders import ReplayOrders
from soak.contract import REPLAY_PAUSED, TRAFFIC_READY
from soak.errors import SoakError
from tests.unit.locustfiles.conftest import ScriptedClock


class ScriptedProcess:
    """A Locust process that has no Locust."""

    def __init__(self) -> None:
        self.error: SoakError | None = None
        self.greenlets: list[gevent.Greenlet] = []
        self.has_quit = False

    def spawn(self, work: Callable[..., None]) -> gevent.Greenlet:
        self.greenlets.append(gevent.spawn(work))
        return self.greenlets[-1]

    def fail(self, error: SoakError) -> None:
        self.error = error

    def quit(self) -> None:
        self.has_quit = True


def _follow(lines: bytes, gate: Gate, **how: Any) -> ScriptedProcess:
    process = ScriptedProcess()
    drained = how.get("is_drained", lambda: not gate.in_flight)
    ReplayOrders(io.BytesIO(lines), cast(LocustProcess, process), gate, drained, 0.05).follow()
    for greenlet in process.greenlets:
        greenlet.join(1.0)
        assert greenlet.successful()
    return process


def test_a_period_is_answered_once_its_requests_have_ended(
    clock: ScriptedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the requests by name, and those that failed by their kind."""
    gate = Gate(clock.now)
    for _ in range(2):
        gate.sent("GET /")
    gate.ended("4xx")
    gevent.spawn_later(0.01, gate.ended)
    process = _follow(b"send 0 0.0\n", gate)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [TRAFFIC_READY, f'{REPLAY_PAUSED} {{"failed": {{"4xx": 1}}, "sent": {{"GET /": 2}}}}']
    assert process.has_quit
    assert process.error is None


def test_a_request_that_does_not_end_is_not_waited_for_without_end(
    clock: ScriptedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """The point is taken all the same."""
    gate = Gate(clock.now)
    gate.sent("GET /")
    _follow(b"send 0 0\n", gate)
    assert REPLAY_PAUSED in capsys.readouterr().out


def test_a_period_can_be_ended_before_its_time(
    clock: ScriptedClock, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the order pause."""
    _follow(b"send 60 100.5\npause\n", Gate(clock.now))
    assert REPLAY_PAUSED in capsys.readouterr().out


def test_another_order_is_refused(clock: ScriptedClock) -> None:
    """With what was expected."""
    process = _follow(b"start 1\n", Gate(clock.now))
    assert "expected 'send' or 'pause', got 'start 1'" in str(process.error)
    assert process.has_quit
