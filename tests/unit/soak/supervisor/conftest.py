"""A run of scripted processes in scripted time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soak.config.load import load_profile
from soak.limit.choose import Choice
from soak.plan.run_plan import plan_run
from soak.recording.events import EventLog
from soak.status.model import RunStatus
from soak.status.terminal import Progress
from soak.supervisor.ending import StopRequest
from soak.supervisor.manifest import run_manifest
from soak.supervisor.phases import timed
from soak.supervisor.run import Run
from soak.supervisor.session import Session
from tests.support.scripted_machine import NoGuard, ScriptedMachine

PROFILE = """
phases = { idle_s = 5, warmup_s = 10, load_s = 60, drain_s = 4, quiesce_s = 2 }
limit = { memory = "512 MiB", restart_delay_s = 3, max_restarts = 2 }
sampling = { census_every_s = 0 }
stubs = {}
[arms.old]
command = ["old", "{port}"]
role = "before"
[arms.new]
command = ["new", "{port}"]
role = "after"
"""


class ScriptedRun:
    """A run, the machine it runs on, and what it has recorded."""

    def __init__(self, place: Path, settings: tuple[str, ...]) -> None:
        self.machine = ScriptedMachine()
        self.stop_request = StopRequest(lambda: self.machine.now_s)
        self.directory = place / "run"
        self.directory.mkdir()
        (place / "scripted.toml").write_text(PROFILE)
        (place / "users.py").touch()
        profile = load_profile(str(place / "scripted.toml"), settings)
        plan = plan_run(profile, self.directory, place / "probe").at(0.0)
        manifest = run_manifest(plan, Choice(self.machine.mechanism, ()))
        console, self.shown = Console(quiet=True), list[RunStatus | None]()
        self.session = Session(
            self.directory,
            manifest,
            NoGuard(),
            Progress(console, self.shown.append),
            self.machine.clock,
            self.machine.machine,
            self.stop_request,
        )
        self.plan = plan
        self._probe_directory = place / "probe"

    def go(self, script: Callable[[Run], None] = timed) -> None:
        """Run to the end."""
        run = Run(self.plan, self.machine.mechanism, self.session, self._probe_directory)
        try:
            run.go(script)
        finally:
            run.stop()
            self.session.close()

    def fill_disk(self, error: Exception, from_s: float) -> None:
        """Have the events refuse to be written from a time on."""
        self.session.events = FullDisk(self.session.events, error, lambda: self.machine.now_s >= from_s)  # type: ignore[assignment]

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.directory / "manifest.json").read_text())
        return found

    def events(self, *names: str) -> list[tuple[str, str, str]]:
        """Return event, arm and detail of the events of these names."""
        with (self.directory / "events.csv").open() as file:
            rows = list(csv.DictReader(file))
        return [(row["event"], row["arm"], row["detail"]) for row in rows if row["event"] in names]

    def phases(self) -> list[str]:
        """Return the phases it went through."""
        return [detail for _, _, detail in self.events("phase")]


class FullDisk:
    """Events that cannot be written any more."""

    def __init__(self, events: EventLog, error: Exception, is_full: Callable[[], bool]) -> None:
        self._events = events
        self._error = error
        self._is_full = is_full

    def record(self, *values: Any, **more: Any) -> None:
        if self._is_full():
            raise self._error
        self._events.record(*values, **more)

    def close(self) -> None:
        self._events.close()


MakeRun = Callable[..., ScriptedRun]


@pytest.fixture
def make_run(tmp_path: Path) -> Iterator[MakeRun]:
    """A function that makes a run of two arms, with these settings of its profile."""
    made: list[ScriptedRun] = []

    def make(*settings: str) -> ScriptedRun:
        made.append(ScriptedRun(tmp_path, settings))
        return made[0]

    yield make
    for run in made:
        run.session.close()
        assert run.machine.running() == []
