"""Runs of the real command line, each in a directory of its own."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from soak.contract import Traffic

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Soak:
    """A finished ``soak run``: how it ended and what it left."""

    code: int
    stdout: str
    stderr: str
    directory: Path
    temporary: Path

    def replayed(self, arm: str) -> bool:
        """Return whether an arm was replayed with points enough."""
        manifest = json.loads((self.directory / "manifest.json").read_text())
        return bool(manifest.get("replay", {}).get(arm, {}).get("status") == "done")

    @classmethod
    def of(cls, runs: Path) -> Soak:
        """Look into a run that has not ended."""
        return cls(0, "", "", runs / "latest", temporary_of(runs))

    def rows(self, path: str) -> list[Mapping[str, str]]:
        with (self.directory / path).open() as file:
            return list(csv.DictReader(file))

    def events(self, name: str) -> list[Mapping[str, str]]:
        return [row for row in self.rows("events.csv") if row["event"] == name]

    def running(self) -> list[int]:
        """Return the processes of the run that are still there."""
        return [int(row["pid"]) for row in self.events("start") if is_running(int(row["pid"]))]


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def temporary_of(runs: Path) -> Path:
    return runs.parent / f"{runs.name}-tmp"


def start_soak(profile: Path, runs: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ``soak run`` as a user does, with a temporary directory of its own; the caller ends it."""
    temporary = temporary_of(runs)
    temporary.mkdir(parents=True)
    return subprocess.Popen(
        [sys.executable, "-m", "soak", "run", str(profile), "--runs", str(runs), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200", "TMPDIR": str(temporary)},
    )


def finish(process: subprocess.Popen[str], runs: Path, timeout_s: float = 120.0) -> Soak:
    """Wait for it and collect what it left."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    return Soak(process.returncode, stdout, stderr, runs / "latest", temporary_of(runs))


def soak_until(decided: Callable[[Soak], bool], profile: Path, runs: Path, attempts: int = 3) -> Soak:
    """Run it, and again where it could not decide: on a machine that is busy with other tests it must not.

    Only what is undecided is repeated; what is decided wrongly fails the test.
    """
    for attempt in range(1, attempts):
        soak = finish(start_soak(profile, runs / str(attempt)), runs / str(attempt))
        if decided(soak):
            return soak
    return finish(start_soak(profile, runs / "last"), runs / "last")


def wait_for_event(runs: Path, name: str, detail: str = "", timeout_s: float = 60.0) -> None:
    """Follow the events of the newest run until one has happened: the file is what a user watches too."""
    deadline = time.monotonic() + timeout_s
    events = runs / "latest" / "events.csv"
    while time.monotonic() < deadline:
        if events.exists() and any(
            f",{name}," in line and detail in line for line in events.read_text().splitlines()
        ):
            return
        time.sleep(0.05)  # a file offers no event to await
    raise AssertionError(f"no event {name} {detail} within {timeout_s} s")


@pytest.fixture(scope="session")
def starlette_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of two arms that are not our gateway, without stubs and limit, six seconds in all."""
    path = tmp_path_factory.mktemp("profile") / "starlette.toml"
    arm = f'''
command = ["{{python}}", "-m", "uvicorn", "starlette_app:app", "--port", "{{port}}", "--log-level", "warning"]
cwd = "{HERE}"
'''
    path.write_text(
        f"""
about = "ten lines of Starlette"
[phases]
idle_s = 1
warmup_s = 0.5
load_s = 3
drain_s = 0.5
quiesce_s = 0.5
[traffic]
rate_rps = 40
[arms.old]
role = "before"
{arm}
[arms.new]
role = "after"
{arm}
"""
    )
    return path


@pytest.fixture
def processes() -> Iterator[ExitStack]:
    """Return a stack that ends the processes a test starts."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def traffic(tmp_path: Path) -> Traffic:
    """Return a load of four seconds without arms."""
    return Traffic(
        seed=3,
        t0_monotonic_s=time.monotonic(),
        out_dir=str(tmp_path),
        arms={},
        path="/api/{service}",
        services=("orders",),
        instances_per_hour=50.0,
        instances_live=4,
        hour_s=30.0,
        warmup_s=0.5,
        warmup_rps=20.0,
        warmup_request_bytes=200,
        shape="steady",
        load_s=4.0,
        rate_rps=60.0,
        request_bytes=5000,
        users_per_arm=8,
        max_lateness_s=1.0,
        network_timeout_s=6.0,
    )
