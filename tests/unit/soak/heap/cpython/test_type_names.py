"""Names of types, read from our own memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing

import pytest

from soak.heap.cpython import type_names as names
from soak.heap.cpython.layout import LAYOUTS
from soak.heap.cpython.memory import Octets, ProcessMemory, Words
from soak.heap.cpython.type_names import TypeNames
from tests.support.planted_types import table_of

CLASSES = 300


class _Counted(ProcessMemory):
    """Counts what is read."""

    reads = 0

    def read_each(self, addresses: Sequence[int] | Words, size: int) -> Octets:
        self.reads += 1
        return super().read_each(addresses, size)


def _classes() -> list[type]:
    """Return classes with twenty attributes before the name of their module, no two alike."""
    return [
        type(f"T{number}", (), {f"a{number}_{other}": other for other in range(20)})
        for number in range(CLASSES)
    ]


def test_classes_that_say_their_module_late_cost_no_more_than_others() -> None:
    """A program that leaks classes has a hundred thousand: the word is known by its address once it was met."""
    classes = _classes()
    with closing(_Counted(os.getpid())) as memory:
        table = table_of(memory, classes)
        memory.reads = 0
        found = TypeNames(memory, LAYOUTS[sys.version_info[:2]], table).of(range(CLASSES))
    assert found == [f"{__name__}.T{number}" for number in range(CLASSES)]
    assert memory.reads <= 12 * CLASSES


def test_the_search_for_modules_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of classes that name none in four thousand keys each, only so many keys are read."""
    monkeypatch.setattr(names, "_MODULE", "no such word")
    monkeypatch.setattr(names, "_MOST_LOOKS", 50)
    classes = _classes()
    with closing(_Counted(os.getpid())) as memory:
        table = table_of(memory, classes)
        memory.reads = 0
        found = TypeNames(memory, LAYOUTS[sys.version_info[:2]], table).of(range(CLASSES))
    assert found == [f"?.T{number}" for number in range(CLASSES)]
    assert memory.reads <= 12 * CLASSES
