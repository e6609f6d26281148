"""What C has not finished is listed only while nothing else runs."""

from __future__ import annotations

import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from soak_probe import standstill
from soak_probe.holders.who import Suspect, who
from soak_probe.pause import make_haste
from soak_probe.standstill import alone, count_objects, undisturbed
from soak_probe.stuck import prove

from tests.support.planted_holders import BUDGET_S

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("planted_roots")]


class Grown:
    """One of those whose number grows."""


@pytest.fixture
def errors() -> Iterator[list[str]]:
    """What another thread meets that fills tuples all the time, and is given the interpreter as often as can be."""
    found: list[str] = []
    ended = threading.Event()

    def parts() -> Iterator[Any]:
        for number in range(12):  # beyond ten the tuple is made larger
            time.sleep(0)
            yield [number]

    def fills() -> None:
        while not ended.is_set():
            try:
                tuple(parts())
            except SystemError as error:
                found.append(str(error))

    thread = threading.Thread(target=fills, name="pump")
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    thread.start()
    yield found
    ended.set()
    thread.join()
    sys.setswitchinterval(interval_s)


ROUNDS = 5
LOST = [Grown()]
ASKED: dict[str, Callable[[], object]] = {
    "of a type": lambda: who([Suspect(0, f"{__name__}.Grown", 1)], BUDGET_S),
    "of tuples": lambda: who([Suspect(0, "builtins.tuple", 1)], BUDGET_S),
    "of an address": lambda: who([Suspect(id(LOST[0]), f"{__name__}.Grown", 1)], BUDGET_S),
    "of stuck tasks": lambda: prove.prove(prove.Asked(1e-9, None)),
    "of their number": lambda: [count_objects() for _ in range(100)],
}


@pytest.mark.parametrize("asked", ASKED)
def test_a_tuple_that_another_thread_fills_is_left_alone(asked: str, errors: list[str]) -> None:
    """CPython up to 3.13 raises SystemError in the target where something else refers to it meanwhile."""
    stock = [[number] for number in range(20_000)]
    before = sys.getswitchinterval(), gc.isenabled()
    for _ in range(ROUNDS):
        ASKED[asked]()
    assert not errors
    assert (sys.getswitchinterval(), gc.isenabled()) == before
    assert len(stock) == 20_000


@pytest.mark.parametrize("collects", [True, False])
def test_a_collector_that_is_switched_off_stays_so(collects: bool) -> None:
    """No collection begins meanwhile; afterwards it is as the target has it."""
    was = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with alone(1.0) as found:
            assert (found, gc.isenabled()) == (collects, False)
        assert gc.isenabled() == collects
    finally:
        (gc.enable if was else gc.disable)()


@pytest.mark.parametrize("collects", [True, False])
def test_a_child_that_is_forked_meanwhile_is_as_the_target_was(collects: bool) -> None:
    """The thread that would undo it is not in the child, which would never collect and keep its threads waiting."""
    begun, goes_on = threading.Event(), threading.Event()

    def holds() -> None:
        with alone(0.05), alone(0.1):
            begun.set()
            goes_on.wait()

    was = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    before = sys.getswitchinterval(), collects
    thread = threading.Thread(target=holds)
    thread.start()
    begun.wait()
    pid = os.fork()
    if pid == 0:
        os._exit((sys.getswitchinterval(), gc.isenabled()) != before)
    goes_on.set()
    thread.join()
    (gc.enable if was else gc.disable)()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.fixture
def in_haste() -> Iterator[None]:
    """Have the probe's thread come to its end, as while the target forks."""
    make_haste(on=True)
    yield
    make_haste(on=False)


@pytest.mark.usefixtures("in_haste")
def test_a_search_ends_when_the_target_forks() -> None:
    """However much time it was given: a child would keep for ever what it holds of the target."""
    began_s = time.monotonic()
    assert not who([Suspect(id(LOST), "builtins.list", 1), Suspect(1, "", 0)], BUDGET_S)["whole"]
    assert prove.prove(prove.Asked(BUDGET_S, None))["refused"]
    assert time.monotonic() - began_s < BUDGET_S / 4


def test_without_the_interpreter_lock_no_thread_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """CPython says of its free-threaded builds that to look at the frame of a thread that runs may crash."""

    def refuse() -> dict[int, Any]:
        raise AssertionError("the frames of threads were asked for")

    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    monkeypatch.setattr(sys, "_current_frames", refuse)
    suspect = Suspect(id(LOST), "builtins.list", 1)
    assert who([suspect], BUDGET_S) == {
        "holders": [{**suspect._asdict(), "holder": ""}],
        "visited": 0,
        "whole": False,
    }


def test_a_module_of_the_target_is_not_taken_for_one_of_python(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service may have a resource.py, which would run in the probe, and does not count pauses."""
    (tmp_path / "resource.py").write_text("raise SystemExit('the target runs in the probe')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "resource", raising=False)
    assert undisturbed(lambda: 7) == (7, True)
    assert undisturbed(lambda: time.sleep(0.01)) == (None, False)
    assert "resource" not in sys.modules


def test_a_work_beside_pauses_that_cannot_be_counted_may_have_been_disturbed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is not known is no proof."""
    monkeypatch.setattr(standstill, "resource_module", lambda: None)
    assert undisturbed(lambda: 7) == (7, False)
