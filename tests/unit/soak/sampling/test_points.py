"""Quiesce points: when they are due, and that nothing unsettled is written as one. By a clock that the script moves."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from soak.config.load import load_profile
from soak.contract import LOAD, POINT, SAMPLE_COLUMNS
from soak.contract.clock import RunClock
from soak.errors import HarnessError
from soak.limit.base import Unlimited
from soak.plan.quiesce_points import QuiescePoint, points
from soak.plan.run_plan import plan_run
from soak.recording.csv_writer import CsvWriter
from soak.recording.events import EventLog
from soak.sampling import sampler as module
from soak.sampling.probe_answers import ProbeError
from soak.sampling.sampler import Sampler
from soak.sampling.target import Target

PAUSE_END_S = 30.0
ANSWER = {"ok": True, "live_blocks": 1000, "pymalloc_arena_bytes": 2 << 20, "pymalloc_free_bytes": 4096}


class Clock(RunClock):
    """Time passes when a probe is asked."""

    now = 29.5

    def now_s(self) -> float:
        return Clock.now


@dataclass
class Probe:
    """A target that takes its time for a collection and for a sample, or fails at one of them."""

    exists: bool = True
    collect_s: float = 0.1
    sample_s: float = 0.01
    broken: str = ""
    asked: list[tuple[str, float]] = field(default_factory=list)

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        assert op != "collect" or arguments == {"if_enabled": True}
        self.asked.append((op, round(timeout_s, 6)))
        Clock.now += self.collect_s if op == "collect" else self.sample_s
        if op == self.broken:
            raise ProbeError(f"probe: {op}: timed out")
        return dict(ANSWER)


class Bench:
    def __init__(self, directory: Path) -> None:
        Clock.now = 29.5
        clock = Clock()
        self.directory = directory
        self.events = EventLog(directory / "events.csv", clock)
        self.samples = CsvWriter(directory / "samples.csv", SAMPLE_COLUMNS)
        self.sampler = Sampler("fixed", clock, self.events, self.samples, every_s=1.0, smaps_every_s=600.0)
        self.sampler.phase = LOAD

    def point(self, *probes: Probe) -> list[dict[str, str]]:
        """Take one point of the given processes and return the rows."""
        self.sampler.targets = tuple(
            Target("fixed", os.getpid(), life, Unlimited(), probe)  # type: ignore[arg-type]
            for life, probe in enumerate(probes, 1)
        )
        self.sampler.point(PAUSE_END_S)
        return self.rows("samples.csv")

    def rows(self, name: str) -> list[dict[str, str]]:
        with (self.directory / name).open() as file:
            return list(csv.DictReader(file))

    def gaps(self) -> list[str]:
        return [row["detail"] for row in self.rows("events.csv") if row["event"] == "gap"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for recorder in (made.events, made.samples):
        recorder.close()


def test_a_point_is_a_row_of_its_own_after_a_collection(bench: Bench) -> None:
    """The collection comes first and both have what is left of the pause; USS is read whatever its own rhythm."""
    probe = Probe()
    [row] = bench.point(probe)
    assert probe.asked == [("collect", 0.5), ("sample", 0.4)]
    assert (row["rung"], row["phase"], row["live_blocks"], row["t_s"]) == (POINT, LOAD, "1000", "29.610")
    assert int(row["uss_bytes"]) > 1_000_000
    assert bench.gaps() == []


@pytest.mark.parametrize(
    ("probe", "why"),
    [
        (Probe(collect_s=0.6), "it is late"),
        (Probe(sample_s=0.6), "it is late"),
        (Probe(broken="collect"), "probe: collect: timed out"),
        (Probe(broken="sample"), "sample: timed out"),
    ],
)
def test_a_point_that_missed_its_pause_is_a_gap_and_no_row(bench: Bench, probe: Probe, why: str) -> None:
    """A reading beside new requests, or without a collection, is never written as if it were settled."""
    assert bench.point(probe) == []
    assert bench.gaps() == [f"point: not settled within the pause ({why}); raise sampling.quiesce_pause_s"]
    assert bench.sampler.gaps.total == {"point": 1}


def test_a_point_that_comes_after_its_pause_asks_nothing_of_the_target(bench: Bench) -> None:
    """It would stop a process that is loaded again."""
    Clock.now = 30.0
    probe = Probe()
    assert bench.point(probe) == []
    assert probe.asked == []
    assert bench.sampler.gaps.total == {"point": 1}


def test_a_process_without_a_probe_is_read_from_outside_at_its_points(bench: Bench) -> None:
    """USS after a drain is worth having; nothing is missed that could have been had."""
    [row] = bench.point(Probe(exists=False))
    assert row["rung"] == POINT
    assert int(row["uss_bytes"]) > 1_000_000
    assert row["live_blocks"] == ""
    assert "point" not in bench.sampler.gaps.total


def test_all_processes_of_an_arm_are_collected_before_the_first_is_read(bench: Bench) -> None:
    """Their rows are of one moment; one that cannot be settled spoils them all."""
    first, second = Probe(), Probe()
    assert [row["life"] for row in bench.point(first, second)] == ["1", "2"]
    assert first.asked == [("collect", 0.5), ("sample", 0.3)]
    assert len(bench.point(Probe(), Probe(broken="collect"))) == 2


def test_a_process_that_dies_in_its_pause_is_no_missed_point(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit is an event of its own."""
    monkeypatch.setattr(module, "rss_bytes", lambda _: None)
    assert bench.point(Probe(broken="collect")) == []
    assert bench.gaps() == []


def test_an_arm_that_is_down_has_no_point_and_no_gap(bench: Bench) -> None:
    """However late it is: nothing could have been read."""
    Clock.now = 31.0
    assert bench.point() == []
    assert bench.gaps() == []


def test_points_leave_the_ordinary_readings_of_uss_their_rhythm(bench: Bench) -> None:
    """Points that come more often than USS is due would else take it from every ordinary row."""
    bench.point(Probe())
    bench.sampler.tick()
    assert [(row["rung"], bool(row["uss_bytes"])) for row in bench.rows("samples.csv")] == [
        (POINT, True),
        ("", True),
    ]


def test_an_error_of_ours_at_a_point_reaches_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, in a thread that nobody waits for."""
    error = HarnessError("samples.csv: cannot be written")

    def refuse(_: object) -> None:
        raise error

    monkeypatch.setattr(bench.samples, "write", refuse)
    bench.point(Probe())
    assert bench.sampler.failure is error


def planned(*settings: str) -> list[QuiescePoint]:
    plan = plan_run(load_profile("demo", settings), Path("/runs/r"), Path("/tmp/probe"))
    return list(points(plan.traffic, 7.0))


def test_points_lie_in_the_middle_of_the_pauses_of_warmup_and_load() -> None:
    """The demo has two in its warm-up and eighteen in its load, the last of them at its end."""
    taken = planned()
    assert taken[:2] == [QuiescePoint(16.25, 17.0), QuiescePoint(26.25, 27.0, is_rehearsal=True)]
    assert len(taken) == 20
    assert taken[-1].end_s == 7 + 20 + 180


@pytest.mark.parametrize(("warmup_s", "end_s"), [(20, [27.0]), (10, [17.0]), (25, [27.0]), (4, [])])
def test_the_search_for_holders_is_rehearsed_once_before_the_load(warmup_s: int, end_s: list[float]) -> None:
    """At the last point of the warm-up; where it has none, nowhere: under load it would look like a leak."""
    taken = planned(f"phases.warmup_s={warmup_s}")
    assert [point.end_s for point in taken if point.is_rehearsal] == end_s


def test_a_load_that_ends_in_a_pause_has_no_point_there() -> None:
    """Only a whole pause is settled at its point."""
    assert planned("phases.load_s=179.5")[-1].end_s == 7 + 190


def test_without_a_period_there_are_no_points() -> None:
    """Nothing pauses unless the profile asks for it."""
    profile = load_profile("release")
    assert profile.sampling.quiesce_every_s is None
    assert list(points(plan_run(profile, Path("/runs/r"), Path("/tmp/probe")).traffic, 0.0)) == []
