from __future__ import annotations

import atexit
import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from soak_probe.holders.who import Suspect, who

from tests.support.planted_holders import BUDGET_S

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("few_roots", "no_greenlets", "whole_heap")]

MANY = 12_000
"""More than eight times what Python may hold in a process of tests."""


class Call:
    """Can be called, as what is registered can; all of them are equal, so that one call takes all back."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return type(other) is Call

    def __call__(self) -> None:
        pass


class FailedError(Exception):
    """May be handled just now."""


@contextmanager
def lost(make: Callable[[], Any], count: int) -> Iterator[None]:
    """Have so many objects with a reference that no object has."""
    addresses = []
    for _ in range(count):
        thing = make()
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
        addresses.append(id(thing))
        del thing
    try:
        yield
    finally:
        for address in addresses:
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(ctypes.cast(address, ctypes.py_object).value))


@contextmanager
def registered_at_exit() -> Iterator[None]:
    """Register one more for each request."""
    for _ in range(MANY):
        atexit.register(Call())
    try:
        yield
    finally:
        atexit.unregister(Call())


def state_of_type(cls: type, count: int) -> tuple[str, str]:
    """Return path and state of a type whose objects grow, as another thread finds them."""
    answers: list[dict[str, Any]] = []
    suspect = Suspect(0, f"{cls.__module__}.{cls.__qualname__}", count)
    thread = threading.Thread(target=lambda: answers.extend(who([suspect], BUDGET_S)["holders"]))
    thread.start()
    thread.join()
    return answers[0]["holder"], answers[0].get("state", "")


@pytest.mark.parametrize("cls", [Call, FailedError])
def test_more_than_python_holds_are_lost(cls: type) -> None:
    """One may be registered, or handled; of thousands most were lost in native code."""
    with lost(cls, MANY):
        assert state_of_type(cls, MANY) == ("", "unreferenced")


@pytest.mark.parametrize(
    ("planted", "count"), [(lambda: lost(Call, 40), 40), (registered_at_exit, MANY)], ids=["a few", "at exit"]
)
def test_as_many_as_python_may_hold_are_not(
    planted: Callable[[], AbstractContextManager[None]], count: int
) -> None:
    """A few may be registered where nobody counts; at exit it is known how many are."""
    with planted():
        assert state_of_type(Call, count) == ("", "")
