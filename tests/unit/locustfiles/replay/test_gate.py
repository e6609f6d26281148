"""The gate of a replay."""

from __future__ import annotations

import csv
import json

import gevent
import pytest

from locustfiles.replay.gate import LONGEST_NAME, MOST_NAMES, Gate
from soak.contract.tail import MOST_BYTES
from tests.unit.locustfiles.conftest import ScriptedClock


def test_a_period_ends_when_its_time_is_over_and_there_were_enough_requests(clock: ScriptedClock) -> None:
    """Whichever comes last; requests in flight still end."""
    gate = Gate(clock.now)
    assert not gate.is_open
    gate.open(2, 10.0)
    gate.sent("a")
    clock.t_s = 11.0
    gate.check()
    assert gate.is_open
    gate.sent("b")
    gate.check()
    assert not gate.is_open
    assert gate.in_flight == 2
    gate.ended()
    gate.ended()
    assert (gate.in_flight, gate.names) == (0, {"a": 1, "b": 1})


def test_a_user_waits_until_a_period_begins(clock: ScriptedClock) -> None:
    """And not any longer."""
    gate = Gate(clock.now)
    waiting = gevent.spawn(gate.wait)
    gevent.sleep(0)
    assert not waiting.ready()
    gate.open(1, 1.0)
    waiting.join(1.0)
    assert waiting.successful()


def test_a_user_that_comes_too_late_ends_the_period_itself(clock: ScriptedClock) -> None:
    """It sends nothing that belongs after the point."""
    gate = Gate(clock.now)
    gate.open(0, 1.0)
    clock.t_s = 2.0
    waiting = gevent.spawn(gate.wait)
    gevent.sleep(0)
    assert not waiting.ready()
    assert not gate.is_open
    waiting.kill()


def test_names_without_end_are_bounded(clock: ScriptedClock) -> None:
    """Those beyond count as one."""
    gate = Gate(clock.now)
    for number in range(MOST_NAMES + 10):
        gate.sent(f"/orders/{number}")
    assert len(gate.names) == MOST_NAMES + 1
    assert gate.names[""] == 10


@pytest.mark.parametrize("letter", ["x", "\N{CYRILLIC SMALL LETTER A}", "\N{GRINNING FACE}", '"'])
def test_long_names_fit_into_a_cell_and_a_line(clock: ScriptedClock, letter: str) -> None:
    """Whole URLs of any letters are cut, and those beyond count as one: no request is lost, and no table unreadable."""
    gate = Gate(clock.now)
    for number in range(500):
        for _ in range(2):
            gate.sent(f"{number:03}{letter * 300}")
    text = json.dumps(gate.names, sort_keys=True)
    assert len(text) < min(csv.field_size_limit(), MOST_BYTES)
    assert gate.names.total() == 1000
    assert gate.names[f"000{letter * 300}"[:LONGEST_NAME]] == 2
    assert all(len(name) <= LONGEST_NAME for name in gate.names)


def test_names_of_a_usual_length_have_counts_of_their_own(clock: ScriptedClock) -> None:
    """As many as are counted at all."""
    gate = Gate(clock.now)
    for number in range(MOST_NAMES):
        gate.sent(f"{number:03}".ljust(150, "x"))
    assert set(gate.names.values()) == {1}
