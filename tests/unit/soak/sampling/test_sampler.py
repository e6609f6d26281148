"""Rows, gaps and rhythm of the sampler, by scripted clocks and probes."""

from __future__ import annotations

import csv
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soak.contract import HOLDER_COLUMNS, IDLE, LOAD, POINT, SAMPLE_COLUMNS, InjectedLeak
from soak.contract.clock import RunClock
from soak.errors import HarnessError
from soak.heap.model import HeapSuspect
from soak.limit.base import Unlimited, Usage
from soak.process.procfs import Smaps, Status, read_status
from soak.recording.csv_writer import CsvWriter
from soak.recording.events import EventLog
from soak.sampling import sampler as module
from soak.sampling.gaps import Gaps
from soak.sampling.injector import Injector
from soak.sampling.probe_client import ProbeError
from soak.sampling.sampler import Sampler
from soak.sampling.target import Target


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
        smaps_every_s: float = 5.0,
        injected: InjectedLeak | None = None,
    ) -> None:
        self.directory = directory
        self.events = EventLog(directory / "events.csv", clock)
        self.samples = CsvWriter(directory / "samples.csv", SAMPLE_COLUMNS)
        self.holders = CsvWriter(directory / "holders.csv", HOLDER_COLUMNS)
        self.sampler = Sampler(
            "leaky",
            clock,
            self.events,
            self.samples,
            every_s=1.0,
            smaps_every_s=smaps_every_s,
            holders=self.holders,
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


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def _make(clock: RunClock, probe: FakeProbe, **settings: Any) -> Bench:
        made.append(Bench(tmp_path, clock, probe, **settings))
        return made[0]

    yield _make
    made[0].close()


ANSWER = {"ok": True, "live_blocks": 1000, "tasks_alive": 3, "gauges": {"cache_entries": 5.0, "pool": 2.5}}


def test_a_row_joins_what_is_seen_from_outside_and_from_inside(make_bench: MakeBench) -> None:
    """Both views of one moment stand in one row; all gauges share a column."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER))
    bench.sampler.tick()
    [row] = bench.rows("samples.csv")
    assert (row["arm"], row["life"], row["phase"], row["pid"]) == ("leaky", "1", LOAD, str(os.getpid()))
    assert int(row["rss_bytes"]) > 1_000_000
    assert int(row["uss_bytes"]) > 1_000_000
    assert (row["live_blocks"], row["tasks_alive"]) == ("1000", "3")
    assert row["gauges"] == '{"cache_entries": 5, "pool": 2.5}'


def test_a_probe_that_does_not_answer_leaves_empty_cells_and_one_gap(make_bench: MakeBench) -> None:
    """Two missed answers are told twice, at their begin and end, and counted as two; the row is there all the same."""
    bench = make_bench(RunClock(), FakeProbe(ProbeError("probe: sample: timed out"), ProbeError("x"), ANSWER))
    for _ in range(3):
        bench.sampler.tick()
    assert [row["live_blocks"] for row in bench.rows("samples.csv")] == ["", "", "1000"]
    assert all(row["rss_bytes"] for row in bench.rows("samples.csv"))
    assert bench.gaps() == ["probe: sample: timed out", "probe: back after 2 missed"]
    assert bench.sampler.gaps.total == {"probe": 2}


def test_an_injection_that_fails_is_a_counted_gap_and_made_up_for(make_bench: MakeBench) -> None:
    """It comes before the reading, which is there all the same."""
    probe = FakeProbe(ProbeError("probe: inject: timed out"), ANSWER, {"held": 1200}, ANSWER)
    bench = make_bench(RunClock(), probe, injected=InjectedLeak("request", {"python": 400.0}))
    (bench.directory / "requests.csv").write_text("t_s,ok\n7,3\n")
    bench.sampler.tick()
    bench.sampler.tick()
    assert [asked["op"] for asked in probe.asked] == ["inject", "sample", "inject", "sample"]
    assert probe.asked[2] == {"op": "inject", "timeout_s": 0.5, "kind": "python", "total": 1200}
    assert [row["live_blocks"] for row in bench.rows("samples.csv")] == ["1000", "1000"]
    assert bench.gaps() == ["inject: timed out", "inject: back after 1 missed"]
    assert bench.sampler.gaps.total == {"inject": 1}


def test_a_target_without_a_probe_is_sampled_from_outside_and_says_so(make_bench: MakeBench) -> None:
    """An interpreter started with -I has no probe: that is no failure, and it is told once."""
    probe = FakeProbe()
    probe.exists = False
    bench = make_bench(RunClock(), probe)
    bench.sampler.tick()
    bench.sampler.tick()
    assert [bool(row["rss_bytes"]) for row in bench.rows("samples.csv")] == [True, True]
    assert bench.gaps() == ["probe: none in this process; it is sampled from outside only"]


def test_readings_that_pause_the_target_wait_until_nothing_is_loaded(make_bench: MakeBench) -> None:
    """Under load the probe is asked for cheap readings with a short patience, while idle for exact ones."""
    probe = FakeProbe(ANSWER, ANSWER)
    bench = make_bench(RunClock(), probe)
    bench.sampler.tick()
    bench.sampler.phase = IDLE
    bench.sampler.tick()
    assert [(ask["exact"], ask["timeout_s"]) for ask in probe.asked] == [
        (False, module.PROBE_TIMEOUT_S),
        (True, module.EXACT_TIMEOUT_S),
    ]


def test_uss_is_read_at_its_own_rhythm(make_bench: MakeBench) -> None:
    """It costs milliseconds per gigabyte, so not each second."""
    clock = ScriptedClock(0.0)
    bench = make_bench(clock, FakeProbe(*[ANSWER] * 4), smaps_every_s=2.0)
    for t in range(4):
        clock.times[:] = [float(t)]
        bench.sampler.tick()
    assert [bool(row["uss_bytes"]) for row in bench.rows("samples.csv")] == [True, False, True, False]


def test_memory_is_read_by_kind_at_each_tick(make_bench: MakeBench) -> None:
    """RssAnon costs microseconds at any size; limits and libraries come with USS."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER, ANSWER))
    bench.sampler.tick()
    bench.sampler.tick()
    first, second = bench.rows("samples.csv")
    for row in (first, second):
        assert 1_000_000 < int(row["anon_bytes"]) <= int(row["rss_bytes"])
        assert int(row["file_bytes"]) > 0
        assert row["shmem_bytes"]
    assert int(first["threads_limit"]) >= int(first["threads"])
    assert int(first["fds_limit"] or first["fds"]) >= int(first["fds"])
    assert (second["threads_limit"], second["fds_limit"]) == ("", "")
    assert bench.gaps() == []


@pytest.mark.parametrize(
    ("status", "sizes", "expected"),
    [
        (Status(1, 400, 50, 0, 0), None, "450"),
        (Status(1, 400, 50, 0, 0), Smaps(500, 500, 390), "440"),
        (Status(1, None, 0, None, None), None, ""),
        (Status(1, None, 0, None, None), Smaps(500, 500, 390), "390"),
        (None, Smaps(500, 500, 390), ""),
    ],
    ids=[
        "the kernel's counter and swap",
        "page by page where it is read",
        "before Linux 4.5",
        "then",
        "no status",
    ],
)
def test_anonymous_memory_is_exact_where_the_pages_are_counted(
    make_bench: MakeBench,
    monkeypatch: pytest.MonkeyPatch,
    status: Status | None,
    sizes: Smaps | None,
    expected: str,
) -> None:
    """The counter of some kernels is an estimate; what is swapped out counts as if it were resident."""
    monkeypatch.setattr(module, "read_status", lambda _: status)
    monkeypatch.setattr(module, "read_smaps", lambda _: sizes)
    bench = make_bench(RunClock(), FakeProbe(ANSWER))
    bench.sampler.tick()
    [row] = bench.rows("samples.csv")
    assert row["anon_bytes"] == expected
    assert ("anon_bytes: not readable" in bench.gaps()) == (expected == "")


class PartlyRead(Unlimited):
    """A limit whose parts cannot be read for two ticks."""

    def __init__(self) -> None:
        whole = Usage(100, shmem_bytes=20, kernel_bytes=4, file_bytes=30)
        self.answers = [Usage(100, problem="memory.stat is not readable")] * 2 + [whole]

    def usage(self) -> Usage:
        return self.answers.pop(0)


def test_what_an_answer_touches_is_in_both_readings(make_bench: MakeBench) -> None:
    """The first answer imports the most: memory read before it would lack what the probe's figures have."""

    class Touching(FakeProbe):
        def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
            self.touched = bytearray(b"x") * (64 << 20)
            return super().ask(op, timeout_s, **arguments)

    before = read_status(os.getpid())
    assert before is not None
    assert before.anon_bytes is not None
    bench = make_bench(RunClock(), Touching(ANSWER))
    bench.sampler.tick()
    [row] = bench.rows("samples.csv")
    assert int(row["anon_bytes"]) > before.anon_bytes + (60 << 20)


def test_parts_of_the_charge_that_cannot_be_read_are_a_gap(
    make_bench: MakeBench, with_worker: WithWorker
) -> None:
    """Once for the arm, whatever the number of its processes; the charge itself stands."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER, ANSWER, ANSWER))
    bench.sampler.targets = (replace(bench.sampler.targets[0], limit=PartlyRead()),)
    with_worker(bench, FakeProbe(ANSWER, ANSWER, ANSWER))
    for _ in range(3):
        bench.sampler.tick()
    rows = bench.rows("samples.csv")
    assert [row["cgroup_bytes"] for row in rows] == ["100"] * 6
    assert [row["cgroup_shmem_bytes"] for row in rows] == [""] * 4 + ["20"] * 2
    assert (rows[-1]["cgroup_kernel_bytes"], rows[-1]["cgroup_file_bytes"]) == ("4", "30")
    assert bench.gaps() == ["limit: memory.stat is not readable", "limit: back after 2 missed"]


def test_an_answer_of_an_allocator_that_cannot_be_true_is_a_gap(make_bench: MakeBench) -> None:
    """The probe's reason is recorded, and the rest of its answer."""
    bench = make_bench(
        RunClock(), FakeProbe({**ANSWER, "problems": {"malloc": "glibc answers nonsense"}}, ANSWER)
    )
    bench.sampler.tick()
    bench.sampler.tick()
    assert [row["live_blocks"] for row in bench.rows("samples.csv")] == ["1000", "1000"]
    assert bench.gaps() == ["malloc: glibc answers nonsense", "malloc: back after 1 missed"]


def test_a_dead_target_makes_no_row_and_no_gap(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit is an event of its own; an unread corpse is no missed reading."""
    readings = iter([50_000_000, None])  # it dies between our first look and the probe's answer
    monkeypatch.setattr(module, "rss_bytes", lambda _: next(readings))
    bench = make_bench(RunClock(), FakeProbe(ProbeError("gone")))
    assert bench.sampler.tick() == ()
    assert bench.rows("samples.csv") == []
    assert bench.gaps() == []


def test_ticks_stay_on_their_grid(make_bench: MakeBench) -> None:
    """A reading of 0.3 s moves no later tick."""
    bench = make_bench(ScriptedClock(10.3), FakeProbe())
    assert bench.sampler.next_due(10.0) == 11.0
    assert bench.gaps() == []


def test_ticks_that_passed_while_reading_are_a_counted_gap(make_bench: MakeBench) -> None:
    """After a reading of 2.4 s the sampler goes on with the next tick to come, and two are missing."""
    bench = make_bench(ScriptedClock(12.4), FakeProbe())
    assert bench.sampler.next_due(10.0) == 13.0
    assert bench.gaps() == ["tick: reading took 2.4 s"]
    assert bench.sampler.gaps.total == {"tick": 2}


def test_an_error_of_ours_ends_the_sampling_and_is_kept(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk in the sampler's thread reaches the run."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER))
    error = HarnessError("samples.csv: cannot be written")

    def refuse(_: object) -> None:
        raise error

    monkeypatch.setattr(bench.samples, "write", refuse)
    bench.sampler.run(threading.Event())
    assert bench.sampler.failure is error


def test_gaps_tell_begin_and_end_only() -> None:
    """A thousand missed readings are two sentences."""
    told: list[str] = []
    gaps = Gaps(told.append)
    for _ in range(1000):
        gaps.missed("probe", "timed out")
    gaps.read("probe")
    gaps.read("probe")
    assert told == ["probe: timed out", "probe: back after 1000 missed"]
    assert gaps.total["probe"] == 1000


@pytest.fixture
def with_worker() -> Iterator[WithWorker]:
    """Have the sampler sample another process too, one below the arm; returns its pid."""
    with subprocess.Popen(
        ["cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    ) as below:  # ends with its input

        def add(bench: Bench, probe: FakeProbe, *, outside_only: bool = False) -> int:
            worker = Target("leaky", below.pid, 2, Unlimited(), probe, outside_only=outside_only)  # type: ignore[arg-type]
            bench.sampler.targets = (*bench.sampler.targets, worker)
            return worker.pid

        yield add


def test_each_process_of_an_arm_has_a_row_of_the_same_tick(
    make_bench: MakeBench, with_worker: WithWorker
) -> None:
    """One t_s and the arm's charge in all of them, and for the display their sum."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER))
    with_worker(bench, FakeProbe({**ANSWER, "tasks_alive": 4}))
    rows = bench.sampler.tick()
    first, second = bench.rows("samples.csv")
    assert first["t_s"] == second["t_s"]
    assert [first["life"], second["life"]] == ["1", "2"]
    assert first["uss_bytes"]
    assert second["uss_bytes"]
    assert bench.sampler.latest["tasks_alive"] == 7
    for column in ("rss_bytes", "uss_bytes", "fds", "threads"):
        assert bench.sampler.latest[column] == sum(int(str(row[column])) for row in rows)


def test_a_gap_of_a_worker_is_told_apart_from_the_arms_own(
    make_bench: MakeBench, with_worker: WithWorker
) -> None:
    """Else one that answers would end the gap of one that does not, each second anew."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER, ANSWER))
    pid = with_worker(bench, FakeProbe(ProbeError("probe: sample: timed out"), ProbeError("x")))
    bench.sampler.tick()
    bench.sampler.tick()
    assert bench.gaps() == [f"probe of pid {pid}: sample: timed out"]
    assert bench.sampler.gaps.total == {f"probe of pid {pid}": 2}


def test_a_process_that_never_had_a_probe_misses_none(make_bench: MakeBench, with_worker: WithWorker) -> None:
    """A shell or a proxy below the arm is sampled from outside, and nothing is told of it."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER))
    with_worker(bench, FakeProbe(), outside_only=True)
    bench.sampler.tick()
    _, second = bench.rows("samples.csv")
    assert second["rss_bytes"]
    assert second["live_blocks"] == ""
    assert bench.gaps() == []


def suspects_asked(probe: FakeProbe) -> list[list[int]]:
    """Return the addresses of each question for holders."""
    return [[one["address"] for one in ask["suspects"]] for ask in probe.asked]  # type: ignore[attr-defined]


def answer_on(*addresses: int, holder: str = "shop.cache") -> dict[str, Any]:
    return {"holders": [{"address": one, "type": "a.B", "length": 9, "holder": holder} for one in addresses]}


def test_in_a_pause_of_the_load_only_containers_are_named_and_each_once(make_bench: MakeBench) -> None:
    """There is little time: types wait for the drain, and a container until it has doubled."""
    probe = FakeProbe(answer_on(7), answer_on(7), answer_on(7, 0))
    bench = make_bench(ScriptedClock(0.0), probe)
    for length in (100, 150, 200):
        bench.sampler.suspects = {os.getpid(): (HeapSuspect(7, "a.B", length), HeapSuspect(0, "a.C", 5))}
        bench.sampler.name_holders(POINT, 1.0)
    bench.sampler.name_holders("drained", 30.0)
    assert suspects_asked(probe) == [[7], [7], [7, 0]]
    assert [row["rung"] for row in bench.rows("holders.csv")] == [POINT, POINT, "drained", "drained"]
    assert bench.rows("holders.csv")[0]["holder"] == "shop.cache"


def test_a_container_for_which_there_was_no_time_is_asked_for_again_soon(make_bench: MakeBench) -> None:
    """When it has grown by a quarter: each search costs the target memory, which must not look like a leak."""
    probe = FakeProbe(answer_on(7, holder=""), answer_on(7))
    bench = make_bench(ScriptedClock(0.0), probe)
    for length in (100, 110, 124, 125, 200):
        bench.sampler.suspects = {os.getpid(): (HeapSuspect(7, "a.B", length),)}
        bench.sampler.name_holders(POINT, 1.0)
    assert suspects_asked(probe) == [[7], [7]]


def test_a_search_in_a_pause_is_short_however_long_the_pause_is(make_bench: MakeBench) -> None:
    """It costs the target memory while the run measures it; after the drain it has all the time there is."""
    probe = FakeProbe(answer_on(7), answer_on(7))
    bench = make_bench(ScriptedClock(0.0), probe)
    bench.sampler.suspects = {os.getpid(): (HeapSuspect(7, "a.B", 100),)}
    bench.sampler.name_holders(POINT, 5.0)
    bench.sampler.name_holders("drained", 30.0)
    assert [ask["timeout_s"] for ask in probe.asked] == [module.POINT_NAMING_S, 30.0]


def test_a_pause_that_is_nearly_over_names_nobody(make_bench: MakeBench) -> None:
    """The target would still be slowed down when the load goes on."""
    probe = FakeProbe()
    bench = make_bench(ScriptedClock(0.0), probe)
    bench.sampler.suspects = {os.getpid(): (HeapSuspect(7, "a.B", 100),)}
    bench.sampler.name_holders(POINT, module.LEAST_NAMING_S / 2)
    assert probe.asked == []


def test_a_probe_that_does_not_name_in_time_is_a_gap(make_bench: MakeBench) -> None:
    """And the sampling goes on."""
    bench = make_bench(ScriptedClock(0.0), FakeProbe(ProbeError("probe: who: timed out")))
    bench.sampler.suspects = {os.getpid(): (HeapSuspect(7, "a.B", 100),)}
    bench.sampler.name_holders(POINT, 1.0)
    assert bench.gaps() == ["holders: probe: who: timed out"]
    assert bench.rows("holders.csv") == []
