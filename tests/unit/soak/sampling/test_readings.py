"""Memory by kind, the limit's charge and the allocators in a row of samples."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from soak.contract.clock import RunClock
from soak.limit.base import Unlimited, Usage
from soak.process.procfs import Smaps, Status, read_status
from soak.sampling import outside as module
from tests.support.scripted_sampler import ANSWER, FakeProbe, MakeBench, ScriptedClock, WithWorker


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


def test_a_gauge_that_cannot_be_read_is_a_gap(make_bench: MakeBench) -> None:
    """What it explains of the memory is missing from the verdict; the other gauges of the row are kept."""
    answer = {**ANSWER, "gauges": {"pool": 2}}
    bench = make_bench(RunClock(), FakeProbe({**answer, "gauge_errors": ["cache", "queue"]}, answer))
    bench.sampler.tick()
    bench.sampler.tick()
    assert [row["gauges"] for row in bench.rows("samples.csv")] == ['{"pool": 2}'] * 2
    assert bench.gaps() == [
        "gauges: cache, queue: raised an error, or gave no finite number",
        "gauges: back after 1 missed",
    ]


def test_figures_whose_reading_holds_up_the_target_are_read_less_often(make_bench: MakeBench) -> None:
    """Of a heap of some GiB: half a percent of the time at most, but one tick of ten; all else is read at each tick."""
    answers = [{**ANSWER, "heap_s": 0.02}] * 9 + [{**ANSWER, "heap_s": 3.0}] * 21
    clock = ScriptedClock(0.0)
    bench = make_bench(clock, FakeProbe(*answers))
    for tick in range(30):
        clock.times[:] = [float(tick)]
        bench.sampler.tick()
    asked = [tick for tick, request in enumerate(bench.probe.asked) if request["heap"]]
    assert asked == [0, 4, 8, 12, 22]
    assert all(row["tasks_alive"] for row in bench.rows("samples.csv"))
    assert [row["detail"] for row in bench.rows("events.csv") if row["event"] == "sampled_less"] == [
        "the figures of the allocators each 4 s, not each 1 s: they take 0.02 s of processor time",
        "the figures of the allocators each 10 s, not each 1 s: they take 3.00 s of processor time",
    ]
    bench.probe.answers += [ANSWER, ANSWER]
    bench.sampler.tick("drained", exact=True)
    assert bench.probe.asked[-1]["heap"]
    bench.sampler.census_cells[os.getpid()] = {"pool_free_bytes": 7}
    bench.sampler.tick()
    assert bench.probe.asked[-1]["heap"], (
        "what a census saw of the pools is held against the probe's own figures"
    )
    assert bench.rows("samples.csv")[-1]["pool_free_bytes"] == "7"


def test_an_answer_of_an_allocator_that_cannot_be_true_is_a_gap(make_bench: MakeBench) -> None:
    """The probe's reason is recorded, and the rest of its answer."""
    bench = make_bench(
        RunClock(), FakeProbe({**ANSWER, "problems": {"malloc": "glibc answers nonsense"}}, ANSWER)
    )
    bench.sampler.tick()
    bench.sampler.tick()
    assert [row["live_blocks"] for row in bench.rows("samples.csv")] == ["1000", "1000"]
    assert bench.gaps() == ["malloc: glibc answers nonsense", "malloc: back after 1 missed"]
