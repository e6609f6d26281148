"""Threads of other interpreters, which run at the same time, are left alone."""

from __future__ import annotations

import pytest

from tests.support.probed import run_probed

PROGRAM = """
import asyncio, os, sys, threading, time
sys.path.insert(0, sys.argv[1])
from soak_probe.holders.who import Suspect, who
from soak_probe.stuck.prove import Asked, prove
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
run = getattr(interpreters, "exec", None) or interpreters.run_string

CODE = '''
def recurs(depth):
    kept = [depth]
    return recurs(depth - 1) if depth else sum(kept)

while True:
    recurs(20)
'''

async def main():
    lost = [asyncio.ensure_future(asyncio.Event().wait()) for _ in range(30)]
    kept = [[number] for number in range(100)]
    await asyncio.sleep(0)
    for _ in range(6):
        [answer] = (await asyncio.to_thread(who, [Suspect(0, "builtins.list", 1)], 2.0))["holders"]
        assert answer.get("state") != "unreferenced"
        groups = (await asyncio.to_thread(prove, Asked(2.0, None)))["groups"]
        assert not sum(group["stuck"] for group in groups)
    print("lives", flush=True)
    os._exit(0)

for _ in range(2):
    threading.Thread(target=lambda: run(interpreters.create(), CODE), daemon=True).start()
time.sleep(0.2)
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.12", "3.13", "3.14"])
def test_frames_of_other_interpreters_are_not_asked_for(version: str) -> None:
    """Each has a lock of its own: CPython makes objects of their frames while they run, and aborts."""
    ended = run_probed(PROGRAM, version)
    assert (ended.returncode, ended.stdout) == (0, "lives\n"), ended.stderr
