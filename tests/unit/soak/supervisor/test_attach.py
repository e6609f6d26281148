"""What may be attached to, and what the recording says of it."""

from __future__ import annotations

import csv
import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from psutil import Process
from rich.console import Console
from typer.testing import CliRunner

from analysis.recording.manifest import read_manifest
from soak import contract
from soak.cli.commands import app
from soak.containers.engine import Container
from soak.contract.hashes import first_difference
from soak.contract.units import LeakRate
from soak.errors import HarnessError, UsageError
from soak.limit.base import Counters, Unlimited
from soak.sampling.probe_client import ProbeClient
from soak.sampling.sampler import NAMING_TIMEOUT_S, Sampler
from soak.status.model import RunStatus
from soak.status.terminal import Progress
from soak.supervisor import attach as module
from soak.supervisor.attach import AttachPlan, RequestsSource, attach_manifest, sample_attached
from soak.supervisor.attachments import Attachment
from soak.supervisor.ending import StopRequest
from soak.supervisor.late_probe import LateProbes
from soak.supervisor.launch import Outcome
from tests.support.scripted_machine import ScriptedMachine, ScriptedThread
from tests.support.scripted_process import ScriptedProcess

HERE = cast(Process, ScriptedProcess(os.getpid(), 1.0))


def watch(*processes: Process, for_s: float | None = 0.3) -> AttachPlan:
    found = tuple(map(Attachment, processes))
    return AttachPlan(found, every_s=0.1, for_s=for_s, max_leak=LeakRate(per_s=10.0), limit_bytes=1 << 30)


def test_the_manifest_says_attached_and_can_be_read(tmp_path: Path) -> None:
    """By the analysis, with the margin and the limit that were told."""
    manifest = {
        **attach_manifest(watch(HERE), "run"),
        "status": "complete",
        "status_detail": "",
        "missed_readings": {},
    }
    (tmp_path / contract.MANIFEST).write_text(json.dumps(manifest))
    read = read_manifest(tmp_path)
    assert read.attached
    assert read.margin.max_leak_bytes_per_s == 10
    assert [(arm.name, arm.memory_limit_bytes) for arm in read.arms] == [(f"pid_{os.getpid()}", 1 << 30)]


class TickingThread(ScriptedThread):
    """Ticks once where a thread would tick each second."""

    def start(self) -> None:
        if self.name.startswith("sampler"):
            self.target.__self__.tick()  # type: ignore[attr-defined]
        else:
            super().start()


class Attached:
    """An attached sampling of this very process, whose end the script says."""

    def __init__(self, runs: Path) -> None:
        self.runs = runs
        self.scripted = ScriptedMachine()
        self.gone_at_s = float("inf")
        self.stop_request = StopRequest()
        self.shown: list[RunStatus | None] = []
        self.here = ScriptedProcess(os.getpid(), 1.0, lambda: self.scripted.now_s < self.gone_at_s)
        self.attachment = Attachment(cast(Process, self.here))
        self.late: LateProbes | None = None
        self.add_requests: Callable[[Path], None] = lambda _: None

    def go(self, for_s: float | None) -> Outcome:
        machine = replace(self.scripted.machine, thread=cast("Callable[..., Any]", TickingThread))
        with Progress(Console(quiet=True), self.shown.append) as progress:
            watched = replace(
                watch(for_s=for_s),
                attachments=(self.attachment,),
                limit_bytes=None if self.attachment.limit_bytes else 1 << 30,
            )
            late = {self.attachment: self.late} if self.late else {}
            return sample_attached(
                watched, self.runs, progress, self.stop_request, machine, late, self.add_requests
            )


@pytest.fixture
def attached(tmp_path: Path) -> Attached:
    return Attached(tmp_path)


def events(outcome: Outcome) -> list[tuple[str, str]]:
    with (outcome.directory / contract.EVENTS).open() as file:
        return [(row["event"], row["detail"]) for row in csv.DictReader(file)]


def test_it_ends_when_the_time_is_over_and_the_process_lives_on(attached: Attached) -> None:
    """A row of the phase load, no exit, and nothing of ours left running."""
    outcome = attached.go(for_s=60.0)
    assert outcome.error is None
    assert attached.scripted.now_s == pytest.approx(60.0, abs=0.2)
    with (outcome.directory / f"pid_{os.getpid()}" / contract.SAMPLES).open() as file:
        [row] = csv.DictReader(file)
    assert (row["phase"], row["pid"]) == ("load", str(os.getpid()))
    assert [event for event, _ in events(outcome) if event != "gap"] == [
        "run_start", "start", "ready", "phase", "start", "exit", "run_end",
    ]  # fmt: skip
    assert ("run_end", "complete") in events(outcome)
    assert attached.scripted.stopped == ["census"]
    assert json.loads((outcome.directory / contract.MANIFEST).read_text())["status"] == "complete"


def test_holders_are_named_at_the_end(attached: Attached, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once all numbers are in: a search takes memory of the process."""
    named: list[tuple[float, str]] = []

    def name_holders(_: Sampler, rung: str, timeout_s: float) -> None:
        assert timeout_s == NAMING_TIMEOUT_S
        named.append((attached.scripted.now_s, rung))

    monkeypatch.setattr(Sampler, "name_holders", name_holders)
    outcome = attached.go(for_s=60.0)
    [(t_s, rung)] = named
    assert (round(t_s), rung) == (60, "")
    assert (outcome.directory / f"pid_{os.getpid()}" / contract.HOLDERS).exists()


def test_requests_are_added_to_a_recording_that_is_over_and_hashed_with_it(attached: Attached) -> None:
    """The manifest is complete by then, and the file that was added is among the hashes."""

    def add(directory: Path) -> None:
        assert json.loads((directory / contract.MANIFEST).read_text())["status"] == "complete"
        (directory / f"pid_{os.getpid()}" / contract.REQUESTS).write_text("t_s\n")

    attached.add_requests = add
    outcome = attached.go(for_s=60.0)
    assert f"pid_{os.getpid()}/{contract.REQUESTS}" in (outcome.directory / contract.SUMS).read_text()


@pytest.mark.parametrize(
    "error", [HarnessError("no process can be started"), OSError(errno.EMFILE, "no descriptor")]
)
def test_a_recording_whose_requests_cannot_be_added_keeps_its_hashes(
    attached: Attached, error: Exception
) -> None:
    """It is complete and has its report; the error is told after it."""

    def fail(_: Path) -> None:
        raise error

    attached.add_requests = fail
    outcome = attached.go(for_s=60.0)
    assert outcome.error is error
    assert first_difference(outcome.directory) == ""
    assert (outcome.directory / contract.SUMS).exists()


def test_the_manifest_has_the_query_of_the_requests(tmp_path: Path) -> None:
    """Its address and the query, from which the report has them."""
    plan = replace(watch(HERE), requests=RequestsSource("http://prometheus:9090", "http_requests_total"))
    manifest = {
        **attach_manifest(plan, "run"),
        "status": "complete",
        "status_detail": "",
        "missed_readings": {},
    }
    (tmp_path / contract.MANIFEST).write_text(json.dumps(manifest))
    read = read_manifest(tmp_path)
    assert read.prometheus is not None
    assert (read.prometheus.url, read.prometheus.requests_query) == (
        "http://prometheus:9090",
        "http_requests_total",
    )
    assert not read.from_prometheus


def test_it_ends_when_the_process_is_gone(attached: Attached) -> None:
    """Its exit is an event; who ended it is not known to us."""
    attached.gone_at_s = 20.0
    assert ("exit", "it is no longer there") in events(attached.go(for_s=None))
    assert attached.scripted.now_s < 21


def test_it_ends_when_somebody_asks_for_it(attached: Attached) -> None:
    """That is its ordinary end."""
    attached.scripted.at(20.0, lambda: attached.stop_request.note("SIGINT"))
    assert ("run_end", "complete") in events(attached.go(for_s=None))
    assert attached.scripted.now_s < 21


def test_a_disk_that_takes_no_more_is_kept_as_the_error(
    attached: Attached, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The manifest states that it failed, and the recording so far can be reported."""

    def tick(sampler: Sampler) -> None:
        sampler.failure = HarnessError("samples.csv: cannot be written")

    monkeypatch.setattr(Sampler, "tick", tick)
    outcome = attached.go(for_s=None)
    assert str(outcome.error) == "samples.csv: cannot be written"
    assert json.loads((outcome.directory / contract.MANIFEST).read_text())["status"] == "failed"
    assert attached.scripted.stopped == ["census"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--max-leak", "200 B/request"],
            "--max-leak: a leak is a size per time here, as no requests are counted",
        ),
        (
            ["--max-leak", "5"],
            "--max-leak: a leak is a size per time here, as no requests are counted, for example 1",
        ),
        (["--max-leak", "5 MiBs/h"], "--max-leak: unknown unit 'MiBs': did you mean 'MiB'?"),
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


class ScriptedLimit(Unlimited):
    """The limit of a container whose kills the script counts."""

    def __init__(self, kills: Callable[[], int], *, met_limit: bool) -> None:
        self._kills = kills
        self._met_limit = met_limit
        self.closed = False

    def counters(self) -> Counters:
        return Counters(oom_kills=self._kills(), met_limit=self._met_limit)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(("met_limit", "by"), [(True, "kernel"), (False, "unknown")])
def test_a_kill_by_the_limit_of_a_container_is_the_kernels(
    attached: Attached, monkeypatch: pytest.MonkeyPatch, met_limit: bool, by: str
) -> None:
    """Its limit is that of the container, and watched no more at the end; its counters are recorded.

    A kill by the limit of its pod is none of its own limit.
    """
    limit = ScriptedLimit(lambda: int(attached.scripted.now_s >= 5.0), met_limit=met_limit)
    monkeypatch.setattr(module, "FoundLimit", lambda _: limit)
    attached.gone_at_s = 5.0
    here = cast(Process, attached.here)
    attached.attachment = Attachment(
        here, Container("podman", "shop", "c" * 64, "sha256:", os.getpid()), 60 << 20
    )
    outcome = attached.go(for_s=None)
    with (outcome.directory / contract.EVENTS).open() as file:
        rows = list(csv.DictReader(file))
    assert next(row["by"] for row in rows if row["event"] == "exit") == by
    [counted] = [json.loads(row["detail"]) for row in rows if row["event"] == "limit"]
    assert (counted["oom_kills"], counted["met_limit"]) == (1, met_limit)
    manifest = json.loads((outcome.directory / contract.MANIFEST).read_text())
    assert manifest["arms"][0]["memory_limit_bytes"] == 60 << 20
    assert manifest["limit_mechanism"] == "its owner"
    first = attached.shown[0]
    assert first is not None
    assert [arm.limit_bytes for arm in first.arms] == [60 << 20]
    assert attached.shown[-1] is None  # nothing is shown of what is no longer sampled
    assert limit.closed


def test_the_limit_that_was_given_is_that_of_all() -> None:
    """Without one each container has its own."""
    both = (Attachment(HERE, None, 1 << 20), Attachment(HERE, None, 2 << 20))
    plan = replace(watch(), attachments=both)
    assert [plan.limit_of(one) for one in both] == [1 << 30, 1 << 30]
    plan = replace(plan, limit_bytes=None)
    assert [plan.limit_of(one) for one in both] == [1 << 20, 2 << 20]


def test_where_a_probe_was_put_and_where_not_is_recorded(attached: Attached) -> None:
    """By pid, with the directory or the reason."""
    attached.late = LateProbes({os.getpid(): Path("/tmp/soakproof-1")}, {7: "pid 7 runs Python 3.13.1"})
    found = [event for event in events(attached.go(for_s=1.0)) if event[0].startswith("probe_")]
    assert found == [
        ("probe_injected", "by remote debugging (PEP 768); its files are in /tmp/soakproof-1 until the end"),
        ("probe_not_injected", "pid 7 runs Python 3.13.1"),
    ]


def test_why_no_probe_is_asked_is_recorded(attached: Attached, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a process that names a directory for it, with what is wrong with that."""
    monkeypatch.setattr(module, "probe_of", lambda pid: ProbeClient(attached.runs / "none", pid))
    reason = f"sampled from outside only: {attached.runs}/none: No such file or directory"
    assert ("ready", reason) in events(attached.go(for_s=1.0))


@pytest.mark.parametrize(
    ("options", "every_s"),
    [([], 1.0), (["--for", "8h"], 1.0), (["--for", "72h"], 9.0), (["--for", "72h", "--every", "1s"], 1.0)],
)
def test_a_long_sampling_has_its_rows_further_apart(
    options: list[str], every_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a run of that length, unless the time is given."""

    def planned(plan: AttachPlan, *_: object, **__: object) -> None:
        raise UsageError(f"a row each {plan.every_s:.1f} s")

    monkeypatch.setattr("soak.cli.attach.sample_attached", planned)
    result = CliRunner().invoke(app, ["attach", "--pid", str(os.getpid()), *options])
    assert str(result.exception) == f"a row each {every_s:.1f} s"
