"""What sampling many processes costs: 64 in ten arms, each with a probe, read each second."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench.harness.estimate import Finding, Goal, estimate, exactly
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds
from bench.harness.servers import Place
from bench.sampling import probed
from soak.contract import EVENTS, LOAD, SAMPLE_COLUMNS, SAMPLES
from soak.contract.clock import RunClock
from soak.errors import HarnessError
from soak.limit.base import Unlimited
from soak.recording.csv_writer import CsvWriter, Row
from soak.recording.events import EventLog
from soak.sampling.probe_client import ProbeClient
from soak.sampling.sampler import Sampler
from soak.sampling.target import Target

ARMS, PROCESSES = 10, 64
SAMPLE_EVERY_S: Final = 1.0
SMAPS_EVERY_S: Final = 5.0
IDLE: Final = "import asyncio; asyncio.run(asyncio.sleep(600))"
READY_S: Final = 60.0
"""Longest wait for all probes, seconds."""


class CountingSampler(Sampler):
    """A sampler that counts its rows."""

    rows = 0

    def tick(self, rung: str = "", *, exact: bool = False) -> tuple[Row, ...]:
        """Write one row of each process, and count them."""
        written = super().tick(rung, exact=exact)
        self.rows += len(written)
        return written


def sample_many(place: Place, rounds: Rounds, progress: Progress) -> list[Finding]:
    """Return the processor time of sampling, as a share of a core, and the share of the planned rows that is there.

    Raises HarnessError when a process has no probe, or sampling fails.
    """
    shares, kept = [], []
    with processes(place) as targets:
        for number in range(rounds.count):
            share, rows = sampled(place.directory, targets, rounds.seconds)
            shares.append(share)
            kept.append(rows)
            progress.say(
                f"sampling {PROCESSES} processes, round {number + 1} of {rounds.count}: {share:.1%} of a core, "
                f"{rows:.1%} of the rows"
            )
    least = min(kept)
    return [
        Finding(
            f"sampling {PROCESSES} processes in {ARMS} arms, cores",
            Goal(0.1, at_least=False),
            "",
            estimate(shares),
        ),
        Finding("the same, rows kept, worst round", Goal(1.0, at_least=True), "x", exactly(least)),
    ]


@contextmanager
def processes(place: Place) -> Iterator[list[Target]]:
    """Yield idle processes with probes; raises HarnessError when one has none."""
    with ExitStack() as stack:
        targets = []
        for number in range(PROCESSES):
            process = subprocess.Popen([sys.executable, "-c", IDLE], env={**os.environ, **probed(place)})
            stack.callback(process.wait)
            stack.callback(process.kill)
            probe = ProbeClient(place.directory, process.pid)
            stack.callback(probe.close)
            targets.append(Target(f"arm{number % ARMS}", process.pid, 1, Unlimited(), probe))
        deadline_s = time.monotonic() + READY_S
        while missing := [target.pid for target in targets if not target.has_probe]:
            if time.monotonic() > deadline_s:
                raise HarnessError(f"the probe did not get into {len(missing)} of {PROCESSES} processes")
            time.sleep(0.1)
        yield targets


def sampled(directory: Path, targets: list[Target], seconds: float) -> tuple[float, float]:
    """Return processor time as a share of a core, and rows written as a share of those due from the first tick on."""
    clock, stop = RunClock(), threading.Event()
    events = EventLog(directory / EVENTS, clock)
    samplers = []
    for number in range(ARMS):
        arm = f"arm{number}"
        (directory / arm).mkdir(exist_ok=True)
        samples = CsvWriter(directory / arm / SAMPLES, SAMPLE_COLUMNS)
        sampler = CountingSampler(
            arm,
            clock,
            events,
            samples,
            every_s=SAMPLE_EVERY_S,
            smaps_every_s=SMAPS_EVERY_S,
        )
        sampler.first_after_s = number / ARMS
        sampler.targets = tuple(target for target in targets if target.arm == arm)
        sampler.phase = LOAD
        samplers.append((sampler, samples))
    threads = [threading.Thread(target=sampler.run, args=[stop]) for sampler, _ in samplers]
    began_s, cpu_s = time.monotonic(), time.process_time()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - cpu_s
    for sampler, samples in samplers:
        samples.close()
        if sampler.failure is not None:
            raise sampler.failure
    events.close()
    rows = sum(sampler.rows for sampler, _ in samplers)
    missed = sum(sampler.gaps.total["tick"] * len(sampler.targets) for sampler, _ in samplers)
    return cpu_s / took_s, rows / max(1, rows + missed)
