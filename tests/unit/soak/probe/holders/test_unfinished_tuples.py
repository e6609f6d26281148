"""A tuple that C still fills has places without an object: to iterate there ends the process."""

from __future__ import annotations

import pytest
from soak_probe.holders.objects import items_of
from soak_probe.holders.unlisted import may_be_held_by_python

from tests.support.probed import run_probed

PROGRAM = """
import gc, os, sys, threading
sys.path.insert(0, sys.argv[1])
from soak_probe.holders.unlisted import may_be_held_by_python
from soak_probe.holders.who import Suspect, who

class Kept:
    pass

def read_slowly():
    for _ in range(filled):
        yield Kept()
    waiting.set()
    go.wait(20)

def find():
    for thing in gc.get_objects():
        if type(thing) is tuple and len(thing) > len(gc.get_referents(thing)):
            return thing

for filled in (0, 3):
    waiting, go = threading.Event(), threading.Event()
    reading = threading.Thread(target=lambda: tuple(read_slowly()))
    reading.start()
    waiting.wait()
    found = find()
    assert found is not None
    assert may_be_held_by_python(found)
    suspect = Suspect(id(found), "builtins.tuple", len(found))
    del found
    [answer] = who([suspect], 20.0)["holders"]
    assert len(answer["entries"]) == filled and "state" not in answer, answer
    go.set()
    reading.join()
print("lives", flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13"])
def test_a_tuple_that_is_being_filled_is_described(version: str) -> None:
    """``tuple(...)`` of a generator that waits, before its first item and after its third; it is not lost either.

    CPython 3.14 fills no tuple that others can see.
    """
    ended = run_probed(PROGRAM, version)
    assert (ended.returncode, ended.stdout) == (0, "lives\n"), ended.stderr


def test_items_are_in_order() -> None:
    """Of a plain tuple, and of one of a class of its own, which has a type and attributes beside its items."""

    class Row(tuple[int, ...]):
        """A tuple with attributes."""

    row = Row((1, 2, 3))
    row.name = "row"  # type: ignore[attr-defined]
    assert list(items_of(row)) == list(items_of((1, 2, 3))) == [1, 2, 3]


def test_what_is_whole_is_nobody_s() -> None:
    """A tuple in which all is there is on no stack of C that fills it."""
    assert not may_be_held_by_python((1, [2]))
