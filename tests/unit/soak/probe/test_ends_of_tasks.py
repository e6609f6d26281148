"""What a task leaves ends in the target's own threads, however often the probe counts tasks."""

from __future__ import annotations

import pytest

from tests.support.probed import run_probed

PROGRAM = """
import asyncio, sys, threading, time
sys.path.insert(0, sys.argv[1])
from soak_probe import creations, looplag, tasks

class Left:
    def __del__(self):
        ends[threading.get_ident()] = ends.get(threading.get_ident(), 0) + 1

def samples():
    pending, lag = tasks.Pending(cost_clock=lambda: 0.0), looplag.LoopLag()
    while not ended.wait(0.0005):
        found = tasks.find(exact=False, pending=pending)
        tasks.finished(found)
        lags.append(lag.read_ms(found.seen))

async def job():
    await asyncio.sleep(0)
    return Left()

async def main():
    probe = threading.Thread(target=samples)
    probe.start()
    until_s = time.monotonic() + 2
    while time.monotonic() < until_s:
        jobs = [asyncio.ensure_future(job()) for _ in range(2000)]
        del jobs
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    ended.set()
    probe.join()
    return probe.ident

creations.watch_base_events(asyncio.base_events)
sys.setswitchinterval(1e-5)
ends, lags, ended = {}, [], threading.Event()
probe = asyncio.run(main())
print(ends.pop(probe, 0), sum(ends.values()) > 10_000, any(lags))
"""


@pytest.mark.slow
@pytest.mark.parametrize("version", ["3.9", "3.11", "3.13", "3.14"])
def test_no_task_ends_in_the_thread_of_the_probe(version: str) -> None:
    """The last reference to a task may be dropped at any moment; a destructor may need its own thread."""
    ended = run_probed(PROGRAM, version)
    assert ended.stdout == "0 True True\n", ended.stderr
