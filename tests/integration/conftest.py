"""Runs of the real command line, each in a directory of its own."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Soak:
    """A finished ``soak run``: how it ended and what it left."""

    code: int
    stdout: str
    stderr: str
    directory: Path

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


def start_soak(profile: Path, runs: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ``soak run`` as a user does; the caller ends it."""
    return subprocess.Popen(
        [sys.executable, "-m", "soak", "run", str(profile), "--runs", str(runs), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )


def finish(process: subprocess.Popen[str], runs: Path, timeout_s: float = 120.0) -> Soak:
    """Wait for it and collect what it left."""
    try:
        stdout, stderr = process.communicate(timeout=timeout_s)
    finally:
        process.kill()
    return Soak(process.returncode, stdout, stderr, runs / "latest")


def wait_for_event(runs: Path, name: str, detail: str = "", timeout_s: float = 60.0) -> None:
    """Follow the events of the newest run until one has happened: the file is what a user watches too."""
    deadline = time.monotonic() + timeout_s
    events = runs / "latest" / "events.csv"
    while time.monotonic() < deadline:
        if events.exists() and any(
            f",{name}," in line and detail in line for line in events.read_text().splitlines()
        ):
            return
        time.sleep(0.05)
    raise AssertionError(f"no event {name} {detail} within {timeout_s} s")


@pytest.fixture(scope="session")
def starlette_profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile of two arms that are not our gateway, without stubs and limit, ten seconds in all."""
    path = tmp_path_factory.mktemp("profile") / "starlette.toml"
    arm = f'''
command = ["{{python}}", "-m", "uvicorn", "starlette_app:app", "--port", "{{port}}", "--log-level", "warning"]
cwd = "{HERE}"
'''
    path.write_text(
        f"""
about = "ten lines of Starlette"
[phases]
idle_s = 2
warmup_s = 1
load_s = 5
drain_s = 1
quiesce_s = 1
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
