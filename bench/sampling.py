"""What sampling costs the target: the fixed gateway with probe and sampler, against itself without either."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, nullcontext

from bench.harness.client import Client
from bench.harness.estimate import Finding, Goal, estimate, ratios
from bench.harness.progress import Progress
from bench.harness.rounds import Rounds, in_turn
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

ON, OFF = "sampling on", "sampling off"
SAMPLE_EVERY_S = 1.0
SMAPS_EVERY_S = 5.0
WARM_UP_S = 1.0
PACE = 0.5
"""The fixed rate, as a share of what the slower of the two can answer."""


class Sampling:
    """Samples a server as a run would, while it is loaded."""

    def __init__(self, place: Place) -> None:
        clock = RunClock()
        self._directory = place.directory
        self._events = EventLog(place.directory / EVENTS, clock)
        self._samples = CsvWriter(place.directory / SAMPLES, SAMPLE_COLUMNS)
        self._sampler = Sampler(
            ON,
            clock,
            self._events,
            self._samples,
            every_s=SAMPLE_EVERY_S,
            smaps_every_s=SMAPS_EVERY_S,
        )
        self._sampler.phase = LOAD

    @contextmanager
    def of(self, server: Server) -> Iterator[None]:
        """Sample the server during the block; raises HarnessError when it has no probe."""
        probe = ProbeClient(self._directory, server.child.pid)
        if not probe.exists:
            raise HarnessError(f"{server.name}: the probe did not get into the process")
        self._sampler.targets = (Target(ON, server.child.pid, life=1, limit=Unlimited(), probe=probe),)
        stop = threading.Event()
        thread = threading.Thread(target=self._sampler.run, args=[stop], name="sampler")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
            probe.close()
        if self._sampler.failure is not None:
            raise self._sampler.failure

    def close(self) -> None:
        """Close the recordings."""
        for recorder in (self._events, self._samples):
            recorder.close()


def compare_sampling(place: Place, client: Client, rounds: Rounds, progress: Progress) -> list[Finding]:
    """Return the ratios of throughput and of the 99th percentile of the latency, on to off.

    Each round has processes of its own, so that the luck of one process is not taken for the cost of sampling.
    Raises HarnessError when a server or the sampling does not work.
    """
    rates: dict[str, list[float]] = {ON: [], OFF: []}
    p99s: dict[str, list[float]] = {ON: [], OFF: []}
    commands = (
        gateway(ON, "fixed", place.upstream, probed(place)),
        gateway(OFF, "fixed", place.upstream),
    )
    with closing(Sampling(place)) as sampling:
        for number in range(rounds.count):
            with ExitStack() as stack:
                pair = in_turn([stack.enter_context(place.serving(command)) for command in commands], number)
                for server in pair:
                    client.flood(server, WARM_UP_S)
                for server in pair:
                    with sampling.of(server) if server.name == ON else nullcontext():
                        rates[server.name].append(client.flood(server, rounds.seconds))
                rate_rps = PACE * min(rates[ON][-1], rates[OFF][-1])
                for server in pair:
                    with sampling.of(server) if server.name == ON else nullcontext():
                        p99s[server.name].append(client.pace(server, rounds.seconds, rate_rps))
            progress.say(
                f"sampling on and off, round {number + 1} of {rounds.count}: "
                f"{rates[ON][-1]:,.0f} and {rates[OFF][-1]:,.0f} requests/s, "
                f"p99 {1000 * p99s[ON][-1]:.1f} and {1000 * p99s[OFF][-1]:.1f} ms at {rate_rps:,.0f}"
            )
    return [
        Finding(
            "sampling on / off, requests/s",
            Goal(0.99, at_least=True),
            "x",
            estimate(ratios(rates[ON], rates[OFF])),
        ),
        Finding(
            "sampling on / off, p99 at half load",
            Goal(1.05, at_least=False),
            "x",
            estimate(ratios(p99s[ON], p99s[OFF])),
        ),
    ]


def probed(place: Place) -> dict[str, str]:
    """Return the environment that takes the probe into a process."""
    python_path = (str(PROBE_PATH), os.environ.get("PYTHONPATH", ""))
    return {
        "PYTHONPATH": os.pathsep.join(path for path in python_path if path),
        PROBE_DIRECTORY_VARIABLE: str(place.directory),
    }
