"""A weak reference that another thread is taking down is not touched: to revive it would free it twice."""

from __future__ import annotations

import pytest

from tests.support.probed import run_probed

PROGRAM = """
import gc, os, sys, threading, weakref
sys.path.insert(0, sys.argv[1])
from soak_probe.holders.who import Suspect, who
from soak_probe.stuck.prove import find_waits

class Kept:
    def __init__(self, number):
        self.number = number

class Key:
    def __del__(self):
        dying.set()
        go.wait(5)

kept = {kept}

def put():
    names[Key()] = {first}

gc.disable()
for _ in range(6):
    dying, go, names = threading.Event(), threading.Event(), weakref.WeakValueDictionary()
    put()
    dropping = threading.Thread(target=lambda: globals().pop("names"))
    dropping.start()
    dying.wait(5)
    {asked}
    go.set()
    dropping.join()
    others = [weakref.ref({first}, lambda _: 0) for _ in range(50)]
print("lives", flush=True)
os._exit(0)
"""
HOLDER = {
    "kept": "weakref.WeakKeyDictionary((one, [one]) for one in map(Kept, range(150)))",
    "first": "next(iter(kept))",
    "asked": 'who([Suspect(id(kept.data), "builtins.dict", len(kept.data))], 20.0)',
}
STUCK = {
    "kept": "[(one, weakref.proxy(one)) for one in map(Kept, range(150))]",
    "first": "kept[0][0]",
    "asked": "find_waits(set(), lambda: None)",
}


@pytest.mark.slow
@pytest.mark.parametrize("planted", [HOLDER, STUCK], ids=["holder", "stuck tasks"])
def test_a_reference_that_is_being_destroyed_is_left_alone(planted: dict[str, str]) -> None:
    """Its key's destructor waits, so the object still lists it; up to Python 3.12 ``getweakrefs`` would give it out."""
    ended = run_probed(PROGRAM.format(**planted))
    assert (ended.returncode, ended.stdout) == (0, "lives\n"), ended.stderr
