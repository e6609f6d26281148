"""Rows from outside are written in their time, whatever the probes do."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest

from soak.contract import SAMPLE_COLUMNS, InjectedLeak
from soak.contract.clock import RunClock
from soak.sampling.probe_answers import ProbeError
from soak.sampling.sampler import ROW_SHARE
from tests.support.scripted_sampler import ANSWER, FakeProbe, MakeBench, ScriptedClock, WithWorker

EVERY_S = 0.1
FORGED = {column.name: "forged" for column in SAMPLE_COLUMNS if not column.by_probe}


class Hanging(FakeProbe):
    """Answers nothing, for as long as it may."""

    def ask(self, op: str, timeout_s: float, **_: object) -> dict[str, Any]:
        self.asked.append({"op": op, "timeout_s": timeout_s})
        time.sleep(timeout_s)
        raise ProbeError(f"probe: {op}: timed out")


def test_forged_columns_of_an_answer_change_no_cell(make_bench: MakeBench) -> None:
    """Not even where they get past the validator: memory, time, arm, phase, pid and life are read outside."""
    bench = make_bench(ScriptedClock(7.0), FakeProbe(ANSWER, {**ANSWER, **FORGED}))
    bench.sampler.tick()
    bench.sampler.tick()
    honest, forged = bench.rows("samples.csv")
    same = {
        "arm",
        "pid",
        "life",
        "phase",
        "rung",
        "live_blocks",
        "probe_ms",
        "pool_free_bytes",
        "cgroup_bytes",
    }
    assert {name: forged[name] for name in same} == {name: honest[name] for name in same}
    assert (honest["t_s"], forged["t_s"]) == ("7.000", "7.001")
    assert "forged" not in forged.values()
    assert int(forged["rss_bytes"]) == pytest.approx(int(honest["rss_bytes"]), rel=0.1)


def test_a_row_does_not_wait_for_a_probe_that_hangs(make_bench: MakeBench, with_worker: WithWorker) -> None:
    """Nor do the answers of other processes: all are asked at once."""
    bench = make_bench(RunClock(), Hanging(), every_s=EVERY_S)
    with_worker(bench, Hanging())
    with_worker(bench, FakeProbe(ANSWER))
    began_s = time.monotonic()
    bench.sampler.tick()
    assert time.monotonic() - began_s < 0.8
    rows = bench.rows("samples.csv")
    assert [row["live_blocks"] for row in rows] == ["", "", "1000"]
    assert all(int(row["rss_bytes"]) > 0 for row in rows)


def test_rows_go_on_while_a_point_waits_for_a_frozen_target(make_bench: MakeBench) -> None:
    """The pause of the load is the longest that a point may take; the rows of the seconds in it are there."""
    probe = Hanging()
    bench = make_bench(RunClock(), probe, every_s=EVERY_S)
    by_s = bench.clock.now_s() + 10 * EVERY_S
    point = threading.Thread(target=bench.sampler.point, args=[by_s])
    point.start()
    while not probe.asked:
        time.sleep(0.001)
    for _ in range(3):
        bench.sampler.tick()
    assert point.is_alive()
    assert [bool(row["rss_bytes"]) for row in bench.rows("samples.csv")] == [True] * 3
    assert bench.gaps() == ["probe: busy with a reading at a quiesce point or rung"]
    assert bench.sampler.gaps.total == {"probe": 3}
    point.join()
    assert bench.sampler.gaps.total["point"] == 1


def test_an_injection_that_hangs_leaves_the_row_its_time(make_bench: MakeBench) -> None:
    """The questions of one row share its time."""
    leak = InjectedLeak("request", {"python": 400.0, "native": 100.0, "mmap": 9.0})
    bench = make_bench(RunClock(), Hanging(), every_s=EVERY_S, injected=leak)
    (bench.directory / "requests.csv").write_text("t_s,ok\n7,3\n")
    bench.sampler.tick()
    asked = [(ask["op"], float(str(ask["timeout_s"]))) for ask in bench.probe.asked]
    assert [op for op, _ in asked] == ["inject", "sample"]
    assert sum(timeout_s for _, timeout_s in asked) <= ROW_SHARE * EVERY_S
    [row] = bench.rows("samples.csv")
    assert row["pid"] == str(os.getpid())


def test_what_a_census_saw_free_is_in_one_row_from_outside(make_bench: MakeBench) -> None:
    """Not in a row of the ladder, which is read apart; and once, however long the next census takes."""
    bench = make_bench(ScriptedClock(7.0), FakeProbe(ANSWER, ANSWER, ANSWER))
    bench.sampler.census_cells = {os.getpid(): {"pool_free_bytes": 4096}}
    bench.sampler.tick("drained", exact=True)
    bench.sampler.tick()
    bench.sampler.tick()
    assert [row["pool_free_bytes"] for row in bench.rows("samples.csv")] == ["", "4096", ""]


def test_what_a_census_read_of_the_collector_is_used_where_no_probe_answers(make_bench: MakeBench) -> None:
    """The probe's own answer comes first."""
    bench = make_bench(
        ScriptedClock(7.0), FakeProbe({**ANSWER, "gc_collected": 12}, ProbeError("probe: sample: late"))
    )
    for _ in range(2):
        bench.sampler.census_cells = {os.getpid(): {"gc_collected": 2156}}
        bench.sampler.tick()
    probed, unprobed = bench.rows("samples.csv")
    assert probed["gc_collected"] == "12"
    assert unprobed["gc_collected"] == "2156"


def test_an_incremental_collector_is_one_event(make_bench: MakeBench) -> None:
    """However many censuses see it."""
    bench = make_bench(ScriptedClock(7.0), FakeProbe())
    for _ in range(2):
        bench.sampler.note_incremental_collector("3.14.2")
    events = [row for row in bench.rows("events.csv") if row["event"] == "incremental_collector"]
    assert [row["detail"] for row in events] == ["CPython 3.14.2"]
