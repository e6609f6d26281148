"""When a census is ordered, and what its answer does: a scripted clock and a process that is none."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from soak.contract import CENSUS_TAKEN, LOAD
from soak.contract.clock import RunClock
from soak.heap.model import HeapSuspect
from soak.recording.csv_writer import Row
from soak.sampling.census_scheduler import CENSUS_GAP, MOST_ANSWER_BYTES, CensusScheduler
from soak.sampling.gaps import Gaps


class Clock(RunClock):
    """Shows the time that was set."""

    def now_s(self) -> float:
        return self.t0_monotonic_s

    def set(self, t_s: float) -> None:
        object.__setattr__(self, "t0_monotonic_s", t_s)


@dataclass
class FakeChild:
    """Keeps the orders; answers what the test says."""

    log: Path
    orders: list[dict[str, Any]] = field(default_factory=list)
    code: int | None = None

    def send_line(self, line: str) -> None:
        self.orders.append(json.loads(line))

    def answer(
        self,
        *,
        errors: dict[str, str] | None = None,
        suspects: dict[str, Any] | None = None,
        incremental: dict[str, str] | None = None,
    ) -> None:
        """Say that the last order is done."""
        text = json.dumps(
            {
                "cost_s": 0.1,
                "errors": errors or {},
                "suspects": suspects or {},
                "cells": {pid: {"pool_free_bytes": 4096} for pid in suspects or {}},
                "incremental": incremental or {},
            }
        )
        with self.log.open("a") as file:
            file.write(f"a warning of some library\n{CENSUS_TAKEN} {text}\n")

    def poll(self) -> int | None:
        return self.code

    def cap_log(self) -> None:
        """Stay small."""


@dataclass(frozen=True)
class FakeTarget:
    arm: str
    pid: int
    life: int


class FakeSampler:
    """What an arm's sampler shows of itself."""

    phase = LOAD

    def __init__(self, arm: str, *pids: int) -> None:
        self.arm = arm
        self.targets = tuple(FakeTarget(arm, pid, 1) for pid in pids)
        self.suspects: dict[int, tuple[HeapSuspect, ...]] = {}
        self.census_cells: dict[int, Row] = {}
        self.incremental: list[str] = []
        self.told: list[str] = []
        self.gaps = Gaps(self.told.append)

    def note_incremental_collector(self, release: str) -> None:
        self.incremental.append(release)


class Bench:
    """Two arms, the second of two processes; a census each 30 s."""

    def __init__(self, log: Path) -> None:
        log.touch()
        self.clock = Clock(0.0)
        self.child = FakeChild(log)
        self.leaky, self.fixed = FakeSampler("leaky", 7), FakeSampler("fixed", 8, 9)
        self.censuses = CensusScheduler(self.child, self.clock, 30.0, [self.leaky, self.fixed])  # type: ignore[arg-type, list-item]

    def tick(self, t_s: float) -> None:
        self.clock.set(t_s)
        self.censuses.tick()


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "census.log")


def test_all_processes_of_all_arms_are_counted_when_it_is_time(bench: Bench) -> None:
    """At once under load, then each 30 s, one order for all."""
    for t_s in (10.0, 20.0, 39.9, 40.0, 69.0):
        bench.tick(t_s)
        bench.child.answer()
    assert (
        bench.child.orders
        == [{"phase": LOAD, "rung": "", "targets": [["leaky", 7, 1], ["fixed", 8, 1], ["fixed", 9, 1]]}] * 2
    )
    assert bench.leaky.told == []


def test_a_census_that_is_not_done_when_the_next_is_due_is_a_gap(bench: Bench) -> None:
    """No second order is given on top of it; the gap ends with the next answer."""
    bench.tick(0.0)
    bench.tick(30.0)
    bench.tick(60.0)
    assert len(bench.child.orders) == 1
    bench.child.answer()
    bench.tick(90.0)
    assert len(bench.child.orders) == 2
    assert (
        bench.leaky.told
        == bench.fixed.told
        == [
            f"{CENSUS_GAP}: the last one took longer than 30 s",
            f"{CENSUS_GAP}: back after 2 missed",
        ]
    )


def test_a_census_before_the_load_has_its_time(bench: Bench) -> None:
    """The first one under load waits for it, and is taken as soon as it is done; only then is it late."""
    bench.clock.set(9.0)
    bench.censuses.order([bench.leaky])  # type: ignore[list-item]
    bench.tick(10.0)
    bench.tick(12.0)
    assert (len(bench.child.orders), bench.leaky.told) == (1, [])
    bench.child.answer()
    bench.tick(12.1)
    assert (len(bench.child.orders), bench.leaky.told) == (2, [])
    bench.tick(42.2)
    assert bench.leaky.told == [f"{CENSUS_GAP}: the last one took longer than 30 s"]


def test_what_is_suspected_goes_to_the_arm_of_its_process(bench: Bench) -> None:
    """By pid; a later answer replaces it."""
    bench.tick(0.0)
    bench.child.answer(suspects={"7": [[4096, "builtins.list", 300]], "9": []})
    bench.tick(1.0)
    assert bench.leaky.suspects == {7: (HeapSuspect(4096, "builtins.list", 300),)}
    assert bench.fixed.suspects == {9: ()}
    assert (bench.leaky.census_cells, bench.fixed.census_cells) == (
        {7: {"pool_free_bytes": 4096}},
        {9: {"pool_free_bytes": 4096}},
    )
    bench.tick(30.0)
    bench.child.answer(suspects={"7": []})
    bench.tick(31.0)
    assert bench.leaky.suspects == {7: ()}


def test_what_is_known_of_a_process_goes_with_it(bench: Bench) -> None:
    """Another one may get its pid; one that could not be counted this time keeps what it had."""
    bench.tick(0.0)
    grown = [[4096, "builtins.list", 300]]
    bench.child.answer(suspects={"8": grown, "9": grown})
    bench.tick(1.0)
    bench.fixed.targets = (FakeTarget("fixed", 9, 1), FakeTarget("fixed", 10, 2))
    bench.tick(30.0)
    bench.child.answer(suspects={"10": []})
    bench.tick(31.0)
    assert bench.fixed.suspects == {9: (HeapSuspect(4096, "builtins.list", 300),), 10: ()}


def test_an_incremental_collector_is_told_to_the_arm_of_its_process(bench: Bench) -> None:
    """The other arm may run another Python."""
    bench.tick(0.0)
    bench.child.answer(suspects={"7": [], "9": []}, incremental={"9": "3.14.2"})
    bench.tick(1.0)
    assert (bench.leaky.incremental, bench.fixed.incremental) == ([], ["3.14.2"])


def test_a_heap_that_cannot_be_read_is_a_gap_of_its_arm_alone(bench: Bench) -> None:
    """The other arm's census was taken."""
    bench.tick(0.0)
    bench.child.answer(errors={"9": "pid 9: a debug build"})
    bench.tick(1.0)
    assert bench.fixed.told == [f"{CENSUS_GAP}: pid 9: a debug build"]
    assert bench.leaky.told == []


def test_an_answer_of_many_processes_is_read_and_one_without_an_end_is_a_gap(bench: Bench) -> None:
    """192 processes with long names take 300 kB; a line of more than 4 MiB is cut, and the next census is made."""
    bench.tick(0.0)
    bench.child.answer(errors={str(pid): "x" * 1500 for pid in range(100, 292)})
    bench.tick(1.0)
    assert bench.leaky.told == []
    bench.tick(30.0)
    bench.child.answer(errors={"7": "x" * MOST_ANSWER_BYTES})
    bench.tick(31.0)  # takes the line before it
    bench.tick(32.0)
    assert bench.leaky.told == [f"{CENSUS_GAP}: its answer is longer than 4,194,304 bytes"]
    assert not bench.censuses.busy
    bench.tick(60.0)
    assert len(bench.child.orders) == 3


def test_a_process_that_ended_is_one_gap_and_is_asked_no_more(bench: Bench) -> None:
    """Also when it owed an answer; the message says where to look."""
    bench.tick(0.0)
    bench.child.code = 1
    for t_s in (1.0, 31.0, 61.0):
        bench.tick(t_s)
    assert not bench.censuses.busy
    assert len(bench.child.orders) == 1
    [told] = bench.leaky.told
    assert told == f"{CENSUS_GAP}: its process ended (exit code 1); see {bench.child.log}"


def test_an_arm_that_is_down_is_not_counted(bench: Bench) -> None:
    """And with all arms down nothing is ordered, so that nothing waits for an answer."""
    bench.leaky.targets = ()
    bench.tick(0.0)
    assert bench.child.orders[0]["targets"] == [["fixed", 8, 1], ["fixed", 9, 1]]
    bench.child.answer()
    bench.fixed.targets = ()
    bench.tick(30.0)
    assert len(bench.child.orders) == 1
    assert not bench.censuses.busy
