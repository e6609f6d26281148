from __future__ import annotations

import ctypes
import gc
import sys
import threading
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from soak_probe.holders import walk
from soak_probe.holders.asyncio_objects import MOST_FRAMES
from soak_probe.holders.climb import state_of
from soak_probe.holders.who import Suspect, who

from tests.support.planted_holders import BUDGET_S, Holder, program

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots")]


class Grown:
    """One of those whose number grows."""

    def __init__(self) -> None:
        self.other: Any = None


class TestStateOf:
    def test_a_closed_circle_is_a_cycle(self) -> None:
        """References that the objects have to each other are all there are."""
        one, other = Grown(), Grown()
        one.other, other.other = other, one
        closed = [one, other]
        del one, other
        assert state_of(closed) == "cycle"

    def test_a_circle_that_somebody_holds_is_not(self) -> None:
        """One reference more, and it is no garbage."""
        one, other = Grown(), Grown()
        one.other, other.other = other, one
        assert state_of([one, other]) == "unreferenced"


@pytest.fixture
def whole_heap() -> Iterator[None]:
    """Take all objects of the process into account again: the tests' conftest has frozen them."""
    gc.unfreeze()
    yield
    gc.freeze()


def answer_about(address: int, name: str = "builtins.list") -> tuple[str, str]:
    """Return path and state of a container at an address."""
    answer = who([Suspect(address, name, 1)], BUDGET_S)["holders"][0]
    return answer["holder"], answer.get("state", "")


@contextmanager
def lost_reference() -> Iterator[int]:
    """Have an object with a reference that no object has; its address."""
    lost = Grown()
    address = id(lost)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(lost))
    del lost
    try:
        yield address
    finally:
        ctypes.pythonapi.Py_DecRef(ctypes.py_object(ctypes.cast(address, ctypes.py_object).value))


class TestOutOfSight:
    """What Python holds, but neither the walk nor the collector shows, is no reference lost in native code."""

    @pytest.mark.parametrize(
        ("below", "path"), [(0, "local backlog"), (MOST_FRAMES, ""), (2 * MOST_FRAMES, "local backlog")]
    )
    def test_a_variable_of_a_deep_stack(self, below: int, path: str) -> None:
        """Both ends of a stack are looked at; of what is between them nothing is said."""
        addresses: list[int] = []
        planted, ended = threading.Event(), threading.Event()

        def serve(depth: int) -> None:
            if depth == below:
                backlog = [[number] for number in range(300)]
                addresses.append(id(backlog))
            if depth < 2 * MOST_FRAMES:
                serve(depth + 1)
            else:
                planted.set()
                ended.wait(10)

        thread = threading.Thread(target=serve, args=(0,), name="pump")
        thread.start()
        planted.wait(10)
        try:
            found, state = answer_about(addresses[0])
        finally:
            ended.set()
            thread.join()
        assert found.endswith(path)
        assert found.startswith("thread pump: ") == bool(path)
        assert not state

    def test_a_frozen_object_that_the_walk_did_not_come_to(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The collector does not list it as a referrer; where the walk comes to it, it is named."""
        last = Holder()
        first: Any = last
        for _ in range(40):
            first = Holder(first)
        gc.freeze()
        last.kept = [[0]]
        with program(first=first):
            whole = answer_about(id(last.kept))
            monkeypatch.setattr(walk, "MOST_OBJECTS", 10)
            assert answer_about(id(last.kept)) == ("", "")
        assert whole[0].startswith("shop.first.kept.kept")

    @pytest.mark.usefixtures("whole_heap")
    @pytest.mark.parametrize("suspended", [True, False])
    def test_a_greenlet_that_is_suspended(self, suspended: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        """Its variables are out of sight; that the library is there alone says nothing."""
        module = types.ModuleType("greenlet")
        frame = sys._getframe() if suspended else None
        module.greenlet = type("greenlet", (), {"gr_frame": property(lambda _self: frame)})  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "greenlet", module)
        waiting = [type("Job", (module.greenlet,), {})()]
        with lost_reference() as address:
            _, state = answer_about(address, f"{__name__}.Grown")
        assert state == ("" if suspended else "unreferenced")
        assert len(waiting) == 1
