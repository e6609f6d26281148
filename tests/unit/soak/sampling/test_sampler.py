"""Rows, gaps and rhythm of the sampler, by scripted clocks and probes."""

from __future__ import annotations

import os
import re
import threading
from typing import Any

import pytest

from soak.contract import LOAD, POINT, QUIESCE, WARMUP, InjectedLeak
from soak.contract.clock import RunClock
from soak.heap.model import HeapSuspect
from soak.recording.csv_writer import Row
from soak.sampling import sampler as module
from soak.sampling.gaps import Gaps
from soak.sampling.naming import NOWHERE, Naming
from soak.sampling.probe_answers import ProbeError
from tests.support.scripted_sampler import ANSWER, Bench, FakeProbe, MakeBench, ScriptedClock, WithWorker


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


def test_readings_that_pause_the_target_are_those_of_the_ladder(make_bench: MakeBench) -> None:
    """Each second the probe is asked for cheap readings with a short patience, at a rung for exact ones."""
    probe = FakeProbe(ANSWER, ANSWER)
    bench = make_bench(ScriptedClock(0.0), probe)
    bench.sampler.tick()
    bench.sampler.phase = QUIESCE
    bench.sampler.tick("drained", exact=True)
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


def test_a_dead_target_makes_no_row_and_no_gap(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit is an event of its own; an unread corpse is no missed reading."""
    monkeypatch.setattr(module, "rss_bytes", lambda _: None)
    bench = make_bench(RunClock(), FakeProbe(ProbeError("gone")))
    assert bench.sampler.tick() == ()
    assert bench.rows("samples.csv") == []
    assert bench.gaps() == []


class SlowAtFirst(FakeProbe):
    """Needs a second for its first answer, as one of many that import their modules at once."""

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        if not self.asked and timeout_s < 1:
            raise ProbeError(f"probe: {op}: timed out")
        return super().ask(op, timeout_s, **arguments)


def test_what_a_first_answer_takes_is_in_no_tick(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes before the first row, which has all readings, and is no row itself."""
    bench = make_bench(RunClock(), SlowAtFirst(ANSWER, ANSWER))
    stop = threading.Event()
    write = bench.samples.write

    def write_and_stop(row: Row) -> None:
        write(row)
        stop.set()

    monkeypatch.setattr(bench.samples, "write", write_and_stop)
    bench.sampler.run(stop)
    assert [row["live_blocks"] for row in bench.rows("samples.csv")] == ["1000"]
    assert bench.gaps() == []


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
    assert bench.sampler.gaps.total == {"probe": 2}


def test_a_process_that_never_had_a_probe_misses_none(make_bench: MakeBench, with_worker: WithWorker) -> None:
    """A shell or a proxy below the arm is sampled from outside, and nothing is told of it."""
    bench = make_bench(RunClock(), FakeProbe(ANSWER))
    with_worker(bench, FakeProbe(), outside_only=True)
    bench.sampler.tick()
    _, second = bench.rows("samples.csv")
    assert second["rss_bytes"]
    assert second["live_blocks"] == ""
    assert bench.gaps() == []


def answer_on(*addresses: int, holder: str = "shop.cache") -> dict[str, Any]:
    return {"holders": [{"address": one, "type": "a.B", "length": 9, "holder": holder} for one in addresses]}


def searches(probe: FakeProbe) -> list[list[int]]:
    """Return the addresses of each search for holders."""
    return [[one["address"] for one in ask["suspects"]] for ask in probe.asked if ask["op"] == "who"]  # type: ignore[attr-defined]


def dying(make_bench: MakeBench, *answers: Any) -> Bench:
    """Return a bench whose arm is far above its limit of a byte, with a container and a type that are suspected."""
    script = [one for answer in answers for one in ({}, ANSWER, answer)]
    bench = make_bench(ScriptedClock(0.0), FakeProbe(*script), naming=Naming(limit_bytes=1, interval_s=10.0))
    bench.sampler.suspects = {os.getpid(): (HeapSuspect(7, "a.B", 100), HeapSuspect(0, "a.C", 5))}
    return bench


def test_near_its_death_the_containers_of_a_target_are_named_at_a_point(make_bench: MakeBench) -> None:
    """Types wait for the drain; what was found is not searched for again. The pause does not limit the search."""
    bench = dying(make_bench, answer_on(7))
    bench.probe.answers += [{}, ANSWER, answer_on(7, 0)]
    bench.sampler.point(0.5)
    bench.sampler.point(0.5)
    bench.sampler.name_holders("drained", 30.0)
    assert searches(bench.probe) == [[7], [7, 0]]
    assert [ask["timeout_s"] for ask in bench.probe.asked if ask["op"] == "who"] == [
        module.NAMING_TIMEOUT_S,
        30.0,
    ]
    rows = bench.rows("holders.csv")
    assert [(row["rung"], row["holder"]) for row in rows] == [
        (POINT, "shop.cache"), ("drained", "shop.cache"), ("drained", "shop.cache"),
    ]  # fmt: skip


def test_a_target_that_will_live_is_not_searched_under_load(make_bench: MakeBench) -> None:
    """At the point of the rehearsal it is searched for nothing, which is recorded with its time.

    A rehearsal that would begin under load is left out.
    """
    script = [{}, ANSWER, answer_on(1, holder=""), {}, ANSWER, {}, ANSWER]
    bench = make_bench(ScriptedClock(3.0), FakeProbe(*script), naming=Naming(1 << 60, 10.0))
    bench.sampler.suspects = {os.getpid(): (HeapSuspect(7, "a.B", 100),)}
    for phase, is_rehearsal in ((WARMUP, True), (LOAD, True), (LOAD, False)):
        bench.sampler.phase = phase
        bench.sampler.point(4.0, is_rehearsal=is_rehearsal)
    assert searches(bench.probe) == [[NOWHERE.address]]
    [row] = bench.rows("holders.csv")
    assert (row["t_s"], row["rung"], row["holder"]) == ("3.000", POINT, "")
    [detail] = [row["detail"] for row in bench.rows("events.csv") if row["event"] == "rehearsed"]
    assert re.fullmatch(r"resident memory from \d+\.\d to \d+\.\d MiB", detail)


def test_what_was_not_found_in_time_is_searched_for_at_the_next_point(make_bench: MakeBench) -> None:
    """A probe that does not answer is a gap; an answer without a holder is a row; both are asked again."""
    late = ProbeError("probe: who: timed out")
    bench = dying(make_bench, late, answer_on(7, holder=""), answer_on(7))
    for _ in range(3):
        bench.sampler.point(0.5)
    assert searches(bench.probe) == [[7], [7], [7]]
    assert [row["holder"] for row in bench.rows("holders.csv")] == ["", "shop.cache"]
    assert bench.gaps() == ["holders: probe: who: timed out", "holders: back after 1 missed"]


def test_a_point_that_missed_its_pause_names_holders_all_the_same(make_bench: MakeBench) -> None:
    """A target that answers late is in more danger, not in less; its last row has its charge."""
    bench = dying(make_bench)
    bench.probe.answers += [ANSWER, ProbeError("timed out"), answer_on(7)]
    bench.sampler.tick()
    bench.sampler.point(0.5)
    assert searches(bench.probe) == [[7]]


@pytest.mark.parametrize(
    ("cells", "charged_bytes"),
    [
        ({"cgroup_bytes": 90, "cgroup_file_bytes": 30, "rss_bytes": 70}, 60),
        ({"cgroup_bytes": 90, "rss_bytes": 70}, 90),
        ({"cgroup_bytes": None, "rss_bytes": 70}, 70),
        ({}, None),
    ],
)
def test_file_cache_kills_nothing(cells: dict[str, int], charged_bytes: int | None) -> None:
    """A limit kills for what is charged less file cache; a watchdog for RSS."""
    assert module.charged_bytes(cells) == charged_bytes


def test_two_rows_of_one_instant_have_times_of_their_own(make_bench: MakeBench) -> None:
    """As of a restart beside the grid: of two rows of one time a reader could not tell which was written twice."""
    bench = make_bench(ScriptedClock(7.0), FakeProbe(*[ANSWER] * 3))
    for _ in range(3):
        bench.sampler.tick()
    assert [row["t_s"] for row in bench.rows("samples.csv")] == ["7.000", "7.001", "7.002"]
