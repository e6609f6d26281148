from __future__ import annotations

import _thread
import atexit
import contextvars
import ctypes
import functools
import gc
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
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
        assert state_of(closed, 2) == "cycle"

    def test_a_circle_that_somebody_holds_is_not(self) -> None:
        """One reference more, and it is no garbage."""
        one, other = Grown(), Grown()
        one.other, other.other = other, one
        assert state_of([one, other], 2) == "unreferenced"


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


def answer_of_thread(*places: tuple[int, str]) -> list[tuple[str, str]]:
    """Return paths and states as another thread finds them, which the probe's always is."""
    answers: list[tuple[str, str]] = []
    thread = threading.Thread(target=lambda: answers.extend(answer_about(*place) for place in places))
    thread.start()
    thread.join()
    return answers


def backlog() -> list[Any]:
    """Return a container that grows."""
    return [[number] for number in range(300)]


class Closing:
    """Has a container, and ends with a block."""

    def __init__(self) -> None:
        self.kept = backlog()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        pass

    def close(self) -> None:
        """Be registered."""


class Hook:
    """Can be called, and is registered itself."""

    def __call__(self, *_: object) -> None:
        pass


@contextmanager
def registered_at_exit() -> Iterator[tuple[int, str]]:
    kept = backlog()
    address = id(kept)
    call = atexit.register(functools.partial(len, kept))
    del kept
    yield address, "builtins.list"
    atexit.unregister(call)


@contextmanager
def argument_at_exit() -> Iterator[tuple[int, str]]:
    kept = backlog()
    address = id(kept)
    atexit.register(id, kept)
    del kept
    yield address, "builtins.list"
    atexit.unregister(id)


@contextmanager
def method_at_exit() -> Iterator[tuple[int, str]]:
    closing = Closing()
    address = id(closing.kept)
    call = atexit.register(closing.close)
    del closing
    yield address, "builtins.list"
    atexit.unregister(call)


@contextmanager
def builtin_at_exit() -> Iterator[tuple[int, str]]:
    kept = backlog()
    address = id(kept)
    call = atexit.register(kept.clear)
    del kept
    yield address, "builtins.list"
    atexit.unregister(call)


@contextmanager
def handler_of_a_signal() -> Iterator[tuple[int, str]]:
    kept = backlog()
    address = id(kept)
    before = signal.signal(signal.SIGUSR2, functools.partial(print, kept))
    del kept
    yield address, "builtins.list"
    signal.signal(signal.SIGUSR2, before)


@contextmanager
def exception_that_is_handled() -> Iterator[tuple[int, str]]:
    def fail() -> None:
        kept = backlog()
        addresses.append(id(kept))
        raise ValueError(kept)

    addresses: list[int] = []
    try:
        fail()
    except ValueError:
        yield addresses[0], "builtins.list"


@contextmanager
def block_that_is_open() -> Iterator[tuple[int, str]]:
    def closing() -> Closing:
        made = Closing()
        addresses.append(id(made.kept))
        return made

    addresses: list[int] = []
    with closing():
        yield addresses[0], "builtins.list"


@contextmanager
def hook_at_exit() -> Iterator[tuple[int, str]]:
    hook = Hook()
    address = id(hook)
    atexit.register(hook)
    del hook
    yield address, f"{__name__}.Hook"
    atexit.unregister(ctypes.cast(address, ctypes.py_object).value)


class TestHeldByPythonInC:
    """What the C state of Python holds is in no list of the collector, and is no reference lost in native code."""

    @pytest.mark.parametrize(
        "planted",
        [
            registered_at_exit, argument_at_exit, method_at_exit, builtin_at_exit, hook_at_exit,
            handler_of_a_signal, exception_that_is_handled, block_that_is_open,
        ],
    )  # fmt: skip
    @pytest.mark.usefixtures("no_greenlets")
    def test_nothing_is_said(self, planted: Callable[[], Any]) -> None:
        """Whatever it is: an argument, what a method is of, what the stack of a running function has."""
        with planted() as place:
            assert answer_of_thread(place) == [("", "")]

    @pytest.mark.usefixtures("no_greenlets", "whole_heap")
    def test_the_table_of_what_is_registered(self) -> None:
        """One hook more for each request: the list grows in which Python has them."""

        def hook() -> None:
            pass

        os.register_at_fork(before=hook)
        tables = [thing for thing in gc.get_referrers(hook) if type(thing) is list]
        address = id(tables[0])
        del tables
        assert answer_of_thread((address, "builtins.list")) == [("", "")]

    @pytest.mark.usefixtures("no_greenlets")
    @pytest.mark.parametrize("make", [backlog, list, lambda: [Hook], lambda: [(1, 2)]])
    def test_a_list_lost_in_native_code_is_told(self, make: Callable[[], list[Any]]) -> None:
        """Nothing in it is registered: classes can be called, but are not registered, and other tuples are none."""
        kept = make()
        address = id(kept)
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))
        del kept
        try:
            assert answer_of_thread((address, "builtins.list")) == [("", "unreferenced")]
        finally:
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(ctypes.cast(address, ctypes.py_object).value))

    @pytest.mark.parametrize(
        ("name", "written"),
        [
            ("reqs", "reqs"),
            ("flask.app_ctx", "flask.app_ctx"),
            ("werkzeug.Local<140123456789>.storage", "werkzeug.Local<…>.storage"),
            ("x" * 300, "…"),
        ],
    )
    def test_a_context_variable_is_named(self, name: str, written: str) -> None:
        """In the thread that waits: of itself, and of what it has; an address in its name is none."""
        variable: contextvars.ContextVar[Any] = contextvars.ContextVar(name)
        places: list[tuple[int, str]] = []
        planted, ended = threading.Event(), threading.Event()

        def put() -> None:
            closing = Closing()
            closing.kept.append(backlog())
            variable.set(closing)
            places.extend((id(kept), "builtins.list") for kept in (closing.kept, closing.kept[-1]))

        def serve() -> None:
            put()
            planted.set()
            ended.wait(10)

        # a Thread of Python 3.14 refers to its context
        _thread.start_new_thread(serve, ())
        planted.wait(10)
        try:
            found = answer_of_thread(*places)
        finally:
            ended.set()
        path = f"context variable {written}.kept"
        assert found == [(path, ""), (f"{path}[300]", "")]

    def test_a_context_that_is_garbage_holds_nothing(self) -> None:
        """Nobody is in it; it is one of a circle that the collector has not come to."""
        variable: contextvars.ContextVar[Any] = contextvars.ContextVar("gone")

        def plant() -> int:
            context = contextvars.Context()
            kept = [context]
            context.run(variable.set, kept)
            return id(kept)

        gc.disable()
        try:
            assert answer_of_thread((plant(), "builtins.list")) == [("", "cycle")]
        finally:
            gc.enable()


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
