"""What sampling costs the target: the fixed gateway in the seconds in which it is sampled, against those between."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from itertools import pairwise
from typing import Final

from bench.harness.client import LEAD_S, Client
from bench.harness.estimate import Finding, Goal, estimate, ratios
from bench.harness.load_client import Result
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds
from bench.harness.servers import Place, Server, gateway
from soak.contract import EVENTS, LOAD, SAMPLE_COLUMNS, SAMPLES
from soak.contract.clock import RunClock
from soak.errors import HarnessError
from soak.limit.base import Unlimited
from soak.process.probe_injection import PROBE_DIRECTORY_VARIABLE, PROBE_PATH
from soak.recording.csv_writer import CsvWriter
from soak.recording.events import EventLog
from soak.sampling.probe_client import ProbeClient
from soak.sampling.sampler import Sampler
from soak.sampling.target import Target

NAME: Final = "sampled gateway"
PART_S: Final = 1.0
"""Duration of a part, seconds: as often as a run samples."""
SMAPS_EVERY_S: Final = 10.0
"""Every second part has a sample and every fifth of these one of smaps, as every fifth row of a run."""
WARM_UP_S: Final = 2.0
START_S: Final = 1.5
"""Time for the load client to start, seconds."""
PACE: Final = 0.5
"""The fixed rate, as a share of what the server can answer."""
GOAL: Final = Goal(0.99, at_least=True)
GOAL_P99: Final = Goal(1.05, at_least=False)


class Parts:
    """What was measured in parts with a sample and in those without, part by part."""

    def __init__(self) -> None:
        self.sampled: list[float] = []
        self.plain: list[float] = []

    def add(self, values: list[float]) -> None:
        """Take a value for each part, in order."""
        for part, value in enumerate(values):
            (self.sampled if is_sampled(part) else self.plain).append(value)

    def finding(self, name: str, goal: Goal) -> Finding:
        """Return the ratio of the parts with a sample to those next to them."""
        return Finding(f"sampling on / off, {name}", goal, "x", estimate(ratios(self.sampled, self.plain)))


def is_sampled(part: int) -> bool:
    """Return whether a part has a sample: of each two one, the first and the second in turn."""
    return part % 4 in (0, 3)


def compare_sampling(place: Place, client: Client, rounds: Rounds, progress: Progress) -> list[Finding]:
    """Return the ratios of throughput and of the 99th percentile of the latency, with a sample to without.

    Both are those of one process, so that the luck of one process is not taken for the cost of sampling; each round has
    a new one. Raises HarnessError when a server or the sampling does not work.
    """
    rates, per_cpu_s, p99s = Parts(), Parts(), Parts()
    parts = round(rounds.seconds / PART_S)
    with closing(Sampling(place)) as sampling:
        for number in range(rounds.count):
            with place.serving(gateway(NAME, "fixed", place.upstream, probed(place))) as server:
                client.flood(server, WARM_UP_S)
                with sampling.of(server):
                    flood, cpu_s = sampling.load(client, server, parts)
                    rate_rps = PACE * sum(flood.answered_rps) / parts
                    pace, _ = sampling.load(client, server, parts, rate_rps)
            rates.add(flood.answered_rps)
            per_cpu_s.add(
                [rps * PART_S / spent_s for rps, spent_s in zip(flood.answered_rps, cpu_s, strict=True)]
            )
            p99s.add(pace.p99_s)
            progress.say(
                f"sampling on and off, round {number + 1} of {rounds.count}: {2 * rate_rps:,.0f} requests/s, "
                f"p99 {1000 * sum(pace.p99_s) / parts:.1f} ms at {rate_rps:,.0f}"
            )
    return [
        rates.finding("requests/s", GOAL),
        per_cpu_s.finding("requests/CPU s", GOAL),
        p99s.finding("p99 at half load", GOAL_P99),
    ]


class Sampling:
    """Samples a server as a run would, at chosen moments."""

    def __init__(self, place: Place) -> None:
        self._clock = RunClock()
        self._directory = place.directory
        self._events = EventLog(place.directory / EVENTS, self._clock)
        self._samples = CsvWriter(place.directory / SAMPLES, SAMPLE_COLUMNS)
        self._sampler = Sampler(
            NAME,
            self._clock,
            self._events,
            self._samples,
            every_s=PART_S,
            smaps_every_s=SMAPS_EVERY_S,
        )
        self._sampler.phase = LOAD

    @contextmanager
    def of(self, server: Server) -> Iterator[None]:
        """Sample the server during the block; raises HarnessError when it has no probe."""
        probe = ProbeClient(self._directory, server.child.pid)
        if not probe.exists:
            raise HarnessError(f"{server.name}: the probe did not get into the process")
        self._sampler.targets = (Target(NAME, server.child.pid, life=1, limit=Unlimited(), probe=probe),)
        self._sampler.tick()  # the probe imports its modules
        try:
            yield
        finally:
            self._sampler.targets = ()
            probe.close()

    def load(
        self, client: Client, server: Server, parts: int, rate_rps: float | None = None
    ) -> tuple[Result, list[float]]:
        """Load the server and sample it in every second part; return the results and the processor time of each part.

        Raises HarnessError when the load failed, or when a sample did.
        """
        begin_s = time.monotonic() + START_S
        with ThreadPoolExecutor(1) as pool:
            loading = pool.submit(client.load_in_parts, server, begin_s, parts, PART_S, rate_rps)
            spent_s = []
            for part in range(parts + 1):
                time.sleep(max(0.0, begin_s + LEAD_S + part * PART_S - time.monotonic()))
                spent_s.append(server.cpu_s())
                if part < parts and is_sampled(part) and not self._sampler.tick():
                    raise HarnessError(f"{server.name}: no sample")
            return loading.result(), [after - before for before, after in pairwise(spent_s)]

    def close(self) -> None:
        """Close the recordings."""
        for recorder in (self._events, self._samples):
            recorder.close()


def probed(place: Place) -> dict[str, str]:
    """Return the environment that takes the probe into a process."""
    python_path = (str(PROBE_PATH), os.environ.get("PYTHONPATH", ""))
    return {
        "PYTHONPATH": os.pathsep.join(path for path in python_path if path),
        PROBE_DIRECTORY_VARIABLE: str(place.directory),
    }
