"""What the workers' reports cost the master of a load: messages as Locust packs them, without the processes."""

from __future__ import annotations

import random
import time
from typing import Final

import msgpack  # type: ignore[import-untyped]  # it has no types

from bench.harness.estimate import Estimate, Finding, Goal, estimate
from bench.harness.progress import Progress
from locustfiles.counts import Second
from locustfiles.master.ledger import Ledger
from locustfiles.messages import SECOND_REPORT, SecondReport

WORKERS: Final = (1, 10, 50, 200)
ARMS: Final = ("one", "other")
RPS: Final = 50
"""Requests of each worker to each arm in a second."""


def cost_of_workers(seconds: int, progress: Progress) -> list[Finding]:
    """Return the processor time that the master takes for the most workers, as a share of a core.

    It unpacks the message of each worker and second, adds it up, and makes the cells of a row.
    """
    most: Estimate | None = None
    for workers in WORKERS:
        # the first one warms up
        most = estimate([share_of_core(workers, number) for number in range(seconds + 1)][1:])
        progress.say(
            f"reports of {workers} workers: {1000 * most.middle:.1f} ms of the master's CPU each second"
        )
    assert most is not None  # noqa: S101  there are numbers of workers
    return [Finding(f"master of {WORKERS[-1]} workers, two arms, cores", Goal(0.1, at_least=False), "", most)]


def share_of_core(workers: int, second: int) -> float:
    """Return the processor time that the reports of one second take, seconds."""
    draw = random.Random(second)
    names = [f"worker-{number}" for number in range(workers)]
    starts_s = (second + count / (workers * RPS) for count in range(workers * RPS))
    ledger = Ledger(starts_s, second, ARMS, names)
    messages = [_message(draw, name, second) for name in names]
    began_s = time.process_time()
    for message in messages:
        _, data, worker = msgpack.loads(message, raw=False, strict_map_key=False)
        ledger.report(worker, SecondReport.unpack(data))
    for row in ledger.complete():
        for counts in row.arms.values():
            counts.cells()
    return time.process_time() - began_s


def _message(draw: random.Random, worker: str, second: int) -> bytes:
    arms = {}
    for arm in ARMS:
        arms[arm] = counts = Second(sent=RPS, ok=RPS)
        for _ in range(RPS):
            service_us = round(draw.lognormvariate(8, 1))
            counts.timings.record(service_us + 1000, service_us)
    packed = SecondReport(second, arms, last=False).pack()
    made: bytes = msgpack.dumps((SECOND_REPORT, packed, worker), use_bin_type=True)
    return made
