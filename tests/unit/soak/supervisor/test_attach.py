"""What may be attached to, and what the recording says of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from analysis.recording.manifest import read_manifest
from soak import contract
from soak.cli.app import app
from soak.contract.units import LeakRate
from soak.errors import HarnessError, UsageError
from soak.recording.csv_writer import CsvRecorder
from soak.recording.events import EventLog
from soak.sampling.process_tree import Identity
from soak.status.terminal import Progress
from soak.supervisor import attach as module
from soak.supervisor.attach import Watch, attach, find_processes, make_manifest

HERE = Identity(os.getpid(), 1)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def watch(*processes: Identity, for_s: float | None = 0.3) -> Watch:
    return Watch(processes, every_s=0.1, for_s=for_s, max_leak=LeakRate(per_s=10.0), limit_bytes=1 << 30)


def test_a_living_process_of_ours_is_found(sleeper: subprocess.Popen[bytes]) -> None:
    """By its pid and its start."""
    [found] = find_processes([sleeper.pid])
    assert found.pid == sleeper.pid
    assert found.is_alive


@pytest.mark.parametrize(
    ("pids", "sentence"),
    [
        ([999_999_999], "--pid 999999999: no such process"),
        (["sleeper", "sleeper"], "is given twice"),
        (["self", "sleeper"], "runs below --pid"),
    ],
)
def test_a_pid_that_cannot_be_sampled_is_a_sentence(
    sleeper: subprocess.Popen[bytes], pids: list[int | str], sentence: str
) -> None:
    """It names the pid and the fix."""
    known = {"self": os.getpid(), "sleeper": sleeper.pid}
    with pytest.raises(UsageError, match=sentence):
        find_processes([pid if isinstance(pid, int) else known[pid] for pid in pids])


def test_a_process_of_somebody_else_is_a_sentence(
    sleeper: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its descriptors cannot be listed."""
    monkeypatch.setattr(module, "count_fds", lambda _: None)
    with pytest.raises(UsageError, match="run this as its user, or as root"):
        find_processes([sleeper.pid])


def test_the_manifest_says_attached_and_can_be_read(tmp_path: Path) -> None:
    """By the analysis, with the margin and the limit that were told."""
    manifest = {
        **make_manifest(watch(HERE), "run"),
        "status": "complete",
        "status_detail": "",
        "missed_readings": {},
    }
    (tmp_path / contract.MANIFEST).write_text(json.dumps(manifest))
    read = read_manifest(tmp_path)
    assert read.attached
    assert read.margin.max_leak_bytes_per_s == 10
    assert [(arm.name, arm.memory_limit_bytes) for arm in read.arms] == [(f"pid_{os.getpid()}", 1 << 30)]


def test_it_ends_when_the_time_is_over_and_the_process_lives_on(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Rows of the phase load, no exit, and no thread left."""
    threads = threading.active_count()
    with Progress(Console(quiet=True)) as progress:
        outcome = attach(watch(*find_processes([sleeper.pid])), tmp_path, progress, [])
    assert outcome.error is None
    rows = (outcome.directory / f"pid_{sleeper.pid}" / contract.SAMPLES).read_text().splitlines()
    assert 3 <= len(rows) <= 6
    events = (outcome.directory / contract.EVENTS).read_text()
    assert ",exit," not in events
    assert events.rstrip().endswith("complete")
    assert sleeper.poll() is None
    assert threading.active_count() == threads


def test_it_ends_when_the_process_is_gone(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Its exit is an event; who ended it is not known to us."""
    found = find_processes([sleeper.pid])
    sleeper.kill()
    sleeper.wait()
    with Progress(Console(quiet=True)) as progress:
        outcome = attach(watch(*found, for_s=None), tmp_path, progress, [])
    assert ",exit," in (outcome.directory / contract.EVENTS).read_text()


def test_a_disk_that_takes_no_more_is_kept_as_the_error(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest says failed, and the recording so far can be reported."""

    def refuse(*_: object) -> None:
        raise HarnessError("samples.csv: cannot be written")

    monkeypatch.setattr(CsvRecorder, "write", refuse)
    monkeypatch.setattr(EventLog, "record", lambda *_, **__: None)
    with Progress(Console(quiet=True)) as progress:
        outcome = attach(watch(*find_processes([sleeper.pid]), for_s=None), tmp_path, progress, [])
    assert str(outcome.error) == "samples.csv: cannot be written"
    assert json.loads((outcome.directory / contract.MANIFEST).read_text())["status"] == "failed"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--max-leak", "200 B/request"], "--max-leak: requests are not known here"),
        (["--max-leak", "fast"], "--max-leak: a leak is a size per time"),
        (["--every", "0.01s"], "--every 0.01s: give a time from 0.1s to 60s"),
        (["--for", "soon"], "--for: a number and a unit are needed"),
        (["--limit", "1 GX"], "--limit: unknown unit 'GX'"),
    ],
)
def test_an_option_that_makes_no_sense_is_a_sentence(arguments: list[str], sentence: str) -> None:
    """Before anything is sampled or written."""
    result = CliRunner().invoke(app, ["attach", "--pid", str(os.getpid()), *arguments])
    assert isinstance(result.exception, UsageError)
    assert str(result.exception).startswith(sentence)
