from __future__ import annotations

import pytest
from locust.event import EventHook

from locustfiles.custom.replay import StandStill
from locustfiles.replay.gate import Gate
from tests.unit.locustfiles.conftest import ScriptedClock


@pytest.fixture
def gate(clock: ScriptedClock) -> Gate:
    """Return a gate whose period is under way."""
    made = Gate(clock.now)
    made.open(1000, 0.0)
    return made


@pytest.mark.parametrize(
    ("error", "failed"), [("it did not connect", {"other": 1}), (7, {"other": 1}), ("", {}), (None, {})]
)
def test_each_request_ends(gate: Gate, error: object, failed: dict[str, int]) -> None:
    """Whatever a client gives as its error, the request is sent and has ended, and failed where Locust says so."""
    request = EventHook()  # type: ignore[no-untyped-call]
    request.add_listener(StandStill(gate).on_request)
    request.fire(name="/", exception=error)
    assert (gate.names, gate.in_flight, dict(gate.failed)) == ({"/": 1}, 0, failed)
