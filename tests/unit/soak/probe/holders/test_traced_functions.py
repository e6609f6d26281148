"""A function that Python traces keeps its variables while they are read."""

from __future__ import annotations

import pytest

from tests.support.probed import run_probed

PROGRAM = """
import os, sys, threading
sys.path.insert(0, sys.argv[1])
from soak_probe.holders.who import Suspect, who
from soak_probe.stuck.prove import Asked, prove

class Tracer:
    def passes_on(self, *arguments):
        self.stops(*arguments)

    def stops(self, frame, event, arg):
        if frame.f_code is traced.__code__ and event == "call":
            reached.set()
            go.wait(20)

def traced(items):
    return items

def run(start):
    start()
    try:
        found.append(traced([1]))
    except NameError as error:
        found.append(str(error))

def ask():
    who([Suspect(1, "", 0)], 5.0)

def ask_for_tasks():
    prove(Asked(5.0, None))

found, tracer = [], Tracer()
for start in (
    lambda: sys.setprofile(tracer.stops),
    lambda: sys.setprofile(tracer.passes_on),
    lambda: sys.settrace(tracer.stops),
):
    for look in (ask, ask_for_tasks):
        reached, go = threading.Event(), threading.Event()
        thread = threading.Thread(target=run, args=(start,))
        thread.start()
        reached.wait()
        look()
        go.set()
        thread.join()
print(found, flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_a_function_has_its_variables_though_a_tracer_of_it_waits(version: str) -> None:
    """Up to Python 3.12 they are set from a dict when the tracer returns; what is missing there is unset."""
    ended = run_probed(PROGRAM, version)
    assert (ended.returncode, ended.stdout) == (0, f"{[[1]] * 6}\n"), ended.stderr
