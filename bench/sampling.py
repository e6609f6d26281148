"""What sampling costs the target: the fixed gateway in the seconds in which it is sampled, against those between."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final

from bench.harness.client import Client
from bench.harness.estimate import Finding, Goal
from bench.harness.parts import Parts, load_and_act
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
"""Every second part has a sample and every fifth of these one of smaps, as the demo's rows have."""
WARM_UP_S: Final = 2.0
PACE: Final = 0.5
"""The fixed rate, as a share of what the server can answer."""
GOAL: Final = Goal(0.99, at_least=True)
GOAL_P99: Final = Goal(1.05, at_least=False)


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
                    flood, cpu_s = load_and_act(client, server, sampling.tick, parts=parts, part_s=PART_S)
                    rate_rps = PACE * sum(flood.answered_rps) / parts
                    pace, _ = load_and_act(
                        client, server, sampling.tick, parts=parts, part_s=PART_S, rate_rps=rate_rps
                    )
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
        Finding(f"sampling on / off, {name}", goal, "x", measured.ratio())
        for name, goal, measured in (
            ("requests/s", GOAL, rates),
            ("requests/CPU s", GOAL, per_cpu_s),
            ("p99 at half load", GOAL_P99, p99s),
        )
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

    def tick(self) -> None:
        """Take one sample; raises HarnessError when there is none."""
        if not self._sampler.tick():
            raise HarnessError(f"{NAME}: no sample")

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
