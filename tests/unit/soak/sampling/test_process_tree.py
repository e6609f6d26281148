"""Workers come and go, on a scripted machine."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import pytest
from psutil import Process

from soak.contract import SAMPLE_COLUMNS
from soak.contract.clock import RunClock
from soak.limit.base import Unlimited
from soak.recording.csv_writer import CsvWriter
from soak.recording.events import EventLog
from soak.sampling.probe_client import ProbeClient
from soak.sampling.process_tree import MOST, ProcessTree
from soak.sampling.sampler import Sampler
from soak.sampling.target import Target
from tests.support.scripted_process import ScriptedProcess

MAIN = 100


class ScriptedProbe(ProbeClient):
    """Exists as soon as the test has made a file for the pid, whatever process that is."""

    def __init__(self, directory: Path, pid: int) -> None:
        super().__init__(directory, pid)
        self._file = directory / f"{pid}.sock"

    @property
    def missing(self) -> str:
        return "" if self._file.exists() else "no such file"


class Machine:
    """The processes below MAIN, pid to start, and what the arm's supervisor sees of them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.running: dict[int, int] = {}
        self.below: dict[int, int] = {}
        self.hidden: set[int] = set()
        self.kills: Iterator[str] = iter(())
        self.lives = 1
        clock = RunClock()
        self.events = EventLog(directory / "events.csv", clock)
        self.samples = CsvWriter(directory / "samples.csv", SAMPLE_COLUMNS)
        self.sampler = Sampler("shop", clock, self.events, self.samples, every_s=1.0, smaps_every_s=5.0)
        self.workers = ProcessTree(
            Target("shop", MAIN, 1, Unlimited(), ScriptedProbe(directory, MAIN)),
            self.sampler,
            self.events,
            next_life=self._next_life,
            probe_of=lambda pid: ScriptedProbe(directory, pid),
            killer=lambda: next(self.kills, "unknown"),
            below=lambda _: list(self.below),
            find=self._find,
            hidden=lambda pid: pid in self.hidden,
        )

    def _find(self, pid: int) -> Process | None:
        started = self.running.get(pid)
        if started is None:
            return None
        alive = partial(self._is_running, pid, started)
        return cast(Process, ScriptedProcess(pid, float(started), alive))

    def _is_running(self, pid: int, started: int) -> bool:
        return self.running.get(pid) == started

    def _next_life(self) -> int:
        self.lives += 1
        return self.lives

    def start(self, *pids: int, ticks: int = 1) -> None:
        self.running |= dict.fromkeys(pids, ticks)
        self.below |= dict.fromkeys(pids, ticks)

    def end(self, pid: int) -> None:
        del self.running[pid], self.below[pid]

    def sampled(self) -> dict[int, int]:
        """Pid to life."""
        return {target.pid: target.life for target in self.sampler.targets}

    def told(self, *names: str) -> list[tuple[str, ...]]:
        with (self.directory / "events.csv").open() as file:
            return [tuple(row[name] for name in names) for row in csv.DictReader(file)]


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    for recorder in (made.events, made.samples):
        recorder.close()


def test_an_arm_without_workers_is_its_own_process(machine: Machine) -> None:
    """Nothing is told and one process is sampled."""
    machine.workers.poll(0, at_once=True)
    assert machine.sampled() == {MAIN: 1}
    assert machine.told("event") == []


def test_who_is_there_when_the_arm_is_ready_is_a_life_at_once(machine: Machine) -> None:
    """The oldest first, each with a number of its own."""
    machine.start(7, ticks=20)
    machine.start(9, ticks=10)
    machine.workers.poll(0, at_once=True)
    assert machine.sampled() == {MAIN: 1, 9: 2, 7: 3}
    assert machine.told("event", "life", "pid") == [
        ("start", "2", "9"), ("ready", "2", "9"), ("start", "3", "7"), ("ready", "3", "7")
    ]  # fmt: skip


def test_a_worker_that_dies_ends_its_life_and_its_replacement_begins_the_next(machine: Machine) -> None:
    """It is seen once it has settled."""
    machine.start(7)
    machine.workers.poll(0, at_once=True)
    machine.end(7)
    machine.start(8, ticks=5)
    machine.workers.poll(1)
    assert machine.sampled() == {MAIN: 1}
    machine.workers.poll(2)
    machine.workers.poll(3)
    assert machine.sampled() == {MAIN: 1, 8: 3}
    assert machine.told("event", "life", "by")[2:] == [
        ("exit", "2", "unknown"), ("start", "3", ""), ("ready", "3", "")
    ]  # fmt: skip


def test_a_command_that_the_arm_runs_for_a_moment_is_no_life(machine: Machine) -> None:
    """Something new each second, none older than that."""
    for second in range(10):
        machine.start(200 + second)
        machine.workers.poll(second)
        machine.end(200 + second)
    assert machine.told("event") == []
    assert machine.lives == 1


def test_a_pid_that_is_used_again_is_another_process(machine: Machine) -> None:
    """It is told apart by when it started."""
    machine.start(7, ticks=1)
    machine.workers.poll(0, at_once=True)
    machine.start(7, ticks=2)
    machine.workers.poll(1, at_once=True)
    assert machine.sampled() == {MAIN: 1, 7: 3}


def test_a_worker_whose_parent_has_gone_is_sampled_on(machine: Machine) -> None:
    """It is no longer found below the arm, but it is still there."""
    machine.start(7)
    machine.workers.poll(0, at_once=True)
    machine.below.clear()
    machine.workers.poll(1)
    assert machine.sampled() == {MAIN: 1, 7: 2}


def test_a_kill_that_the_limit_counted_is_told(machine: Machine) -> None:
    """The kernel may kill a worker and leave the arm alive."""
    machine.start(7)
    machine.workers.poll(0, at_once=True)
    machine.end(7)
    machine.kills = iter(["kernel"])
    machine.workers.poll(1)
    assert machine.told("event", "by")[-1] == ("exit", "kernel")


def test_all_lives_end_with_the_arm(machine: Machine) -> None:
    """By what ended the arm."""
    machine.start(7, 8)
    machine.workers.poll(0, at_once=True)
    machine.workers.on_exit("soak")
    assert machine.sampled() == {}
    assert machine.told("event", "pid", "by")[-2:] == [("exit", "7", "soak"), ("exit", "8", "soak")]


def test_a_kill_of_a_worker_by_which_the_arm_ends_is_told(machine: Machine) -> None:
    """The arm's own process ends with an error before the next scan: one of its workers was killed, one was not."""
    machine.start(7, 8)
    machine.workers.poll(0, at_once=True)
    machine.kills = iter(["kernel"])
    machine.workers.on_exit("itself")
    assert [by for _, by in machine.told("event", "by")[-2:]] == ["kernel", "itself"]


def test_more_processes_than_are_sampled_are_told_once(machine: Machine) -> None:
    """The first ones are sampled, and the number of the others stands in an event."""
    machine.start(*range(1000, 1000 + MOST + 3))
    for second in range(5):
        machine.workers.poll(second)
    assert len(machine.sampled()) == 1 + MOST
    left_out = [row for row in machine.told("event", "detail") if row[0] == "unsampled"]
    assert left_out == [("unsampled", f"3 processes beyond the first {MOST} below pid {MAIN}")]


def test_a_worker_without_a_probe_is_no_gap(machine: Machine) -> None:
    """It may be no Python at all; the event says how it is sampled."""
    machine.start(7)
    machine.workers.poll(0, at_once=True)
    [_, worker] = machine.sampler.targets
    assert worker.outside_only
    assert ("ready", "no probe: sampled from outside, until there is one") in machine.told("event", "detail")


def test_a_probe_that_comes_later_is_asked_from_then_on(machine: Machine) -> None:
    """A worker may be seen before its interpreter is up; left out for good, its leak would be missed inside."""
    machine.start(7)
    machine.workers.poll(0, at_once=True)
    assert not machine.sampler.targets[1].probed
    (machine.directory / "7.sock").touch()
    machine.workers.poll(1)
    assert machine.sampler.targets[1].probed


def test_a_launcher_around_the_service_misses_no_probe(machine: Machine) -> None:
    """The command may be a shell; what it started has the probe."""
    machine.start(7)
    (machine.directory / "7.sock").touch()
    machine.workers.poll(0, at_once=True)
    assert [target.outside_only for target in machine.sampler.targets] == [True, False]


def test_a_service_that_loses_its_probe_is_no_launcher(machine: Machine) -> None:
    """What it had and has no more is missed, however many below it answer."""
    (machine.directory / f"{MAIN}.sock").touch()
    machine.workers.poll(0)
    (machine.directory / f"{MAIN}.sock").unlink()
    machine.start(7)
    (machine.directory / "7.sock").touch()
    machine.workers.poll(1, at_once=True)
    assert [target.outside_only for target in machine.sampler.targets] == [False, False]


def test_a_hidden_process_is_recorded_once_as_not_sampled(machine: Machine) -> None:
    """Under hidepid a worker of another user cannot be read: the sums lack it."""
    machine.below |= {7: 1, 8: 1}
    machine.hidden = {7}
    for now_s in (0.0, 1.0, 2.0):
        machine.workers.poll(now_s)
    assert machine.told("event", "detail") == [
        ("unsampled", f"1 processes below pid {MAIN} that /proc hides from us (hidepid)")
    ]
