"""A sampler whose clock and probes follow a script, and the files that it writes."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soak.contract import HOLDER_COLUMNS, LOAD, SAMPLE_COLUMNS, InjectedLeak
from soak.contract.clock import RunClock
from soak.limit.base import Unlimited
from soak.recording.csv_writer import CsvWriter
from soak.recording.events import EventLog
from soak.sampling.injector import Injector
from soak.sampling.naming import Naming
from soak.sampling.sampler import Sampler
from soak.sampling.target import Target

ANSWER = {"ok": True, "live_blocks": 1000, "tasks_alive": 3, "gauges": {"cache_entries": 5.0, "pool": 2.5}}
"""What a probe answers."""


class FakeProbe:
    """Answers from a script; an exception in it is raised."""

    exists = True

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, object]] = []

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        self.asked.append({"op": op, "timeout_s": timeout_s, **arguments})
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)


class ScriptedClock(RunClock):
    """Shows the next of the given times, then stays."""

    times: list[float]

    def __init__(self, *times: float) -> None:
        super().__init__(0.0)
        object.__setattr__(self, "times", list(times))

    def now_s(self) -> float:
        return self.times.pop(0) if len(self.times) > 1 else self.times[0]


class Bench:
    """A sampler with files to look into."""

    def __init__(
        self,
        directory: Path,
        clock: RunClock,
        probe: FakeProbe,
        *,
        every_s: float = 1.0,
        smaps_every_s: float = 5.0,
        injected: InjectedLeak | None = None,
        naming: Naming | None = None,
    ) -> None:
        self.directory = directory
        self.clock = clock
        self.probe = probe
        self.events = EventLog(directory / "events.csv", clock)
        self.samples = CsvWriter(directory / "samples.csv", SAMPLE_COLUMNS)
        self.holders = CsvWriter(directory / "holders.csv", HOLDER_COLUMNS)
        self.sampler = Sampler(
            "leaky",
            clock,
            self.events,
            self.samples,
            every_s=every_s,
            smaps_every_s=smaps_every_s,
            holders=self.holders,
            naming=naming,
            injector=Injector(injected, directory / "requests.csv") if injected else None,
        )
        self.sampler.targets = (Target("leaky", os.getpid(), 1, Unlimited(), probe),)  # type: ignore[arg-type]
        self.sampler.phase = LOAD

    def close(self) -> None:
        for recorder in (self.events, self.samples, self.holders):
            recorder.close()

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.directory / name).open() as file:
            return list(csv.DictReader(file))

    def gaps(self) -> list[str]:
        return [row["detail"] for row in self.rows("events.csv") if row["event"] == "gap"]


MakeBench = Callable[..., Bench]
WithWorker = Callable[..., int]
