"""A weak reference that another thread is taking down is not touched where proxies are followed."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.paths import ROOT

PROGRAM = """
import gc, os, sys, threading, weakref
sys.path.insert(0, sys.argv[1])
from soak_probe.stuck.prove import find_waits

class Kept:
    pass

class Key:
    def __del__(self):
        dying.set()
        go.wait(5)

kept = [Kept() for _ in range(150)]
proxies = [weakref.proxy(one) for one in kept]

def put():
    names[Key()] = kept[0]

gc.disable()
for _ in range(6):
    dying, go, names = threading.Event(), threading.Event(), weakref.WeakValueDictionary()
    put()
    dropping = threading.Thread(target=lambda: globals().pop("names"))
    dropping.start()
    dying.wait(5)
    find_waits(set(), lambda: None)
    go.set()
    dropping.join()
    others = [weakref.ref(kept[0], lambda _: 0) for _ in range(50)]
print("lives", flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_a_reference_to_what_has_a_proxy_is_left_alone() -> None:
    """Its key's destructor waits, so the object still lists it; up to Python 3.12 ``getweakrefs`` would give it out."""
    command = [sys.executable, "-c", PROGRAM, str(ROOT / "soak" / "probe")]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (ended.returncode, ended.stdout) == (0, "lives\n"), ended.stderr
