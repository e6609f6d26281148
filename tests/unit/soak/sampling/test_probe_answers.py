"""Only the probe's own columns are taken from an answer, and only numbers and texts in their bounds."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soak.contract import HOLDER_COLUMNS, LOAD, PROBE_COLUMNS, SAMPLE_COLUMNS, names
from soak.contract.clock import RunClock
from soak.limit.base import Unlimited
from soak.sampling.probe_answers import MOST, ProbeError, read_answer
from soak.sampling.probe_client import ProbeClient
from soak.sampling.target import Target
from tests.support.hostile_answers import hostile_answers
from tests.support.rogue_probe import SAMPLE, RogueProbe, line
from tests.support.scripted_sampler import Bench, FakeProbe

OUTSIDE = (
    "t_s", "wall_time", "arm", "pid", "life", "phase", "rung", "rss_bytes", "uss_bytes", "pss_bytes", "anon_bytes",
    "shmem_bytes", "file_bytes", "cgroup_bytes", "cgroup_shmem_bytes", "cgroup_kernel_bytes", "cgroup_file_bytes",
    "cpu_s", "threads", "threads_limit", "fds", "fds_limit", "foreign_allocators", "pool_free_bytes", "probe_ms",
    "metrics_ms", "until_next_s",
)  # fmt: skip


GROUP = {
    "coroutine": "job",
    "waits_at": "a.py:1",
    "source": "",
    "waits_in": "",
    "created": "",
    "stuck": 3,
    "pending": 4,
}


def test_what_is_read_outside_is_a_list_and_not_what_is_left() -> None:
    """A new column is the probe's only where somebody has written that down."""
    assert names(tuple(column for column in SAMPLE_COLUMNS if not column.by_probe)) == OUTSIDE
    reported = {column.name for column in HOLDER_COLUMNS if column.by_probe}
    assert reported == {"holder", "retained_bytes", "retained_whole", "entries"}


def test_a_valid_answer_is_taken_without_what_it_has_beside() -> None:
    """Every forged column of the outside is dropped by the validator, every other key too."""
    forged = dict.fromkeys(OUTSIDE, 7) | {"x": 1}
    answer = read_answer("sample", line({**SAMPLE, **forged, "loop_lag_ms": 1.5, "gauges": {"pool": -2.5}}))
    assert answer.keys() == {"ok", "problems", "heap_s", "gauge_errors", *names(PROBE_COLUMNS)}
    assert (answer["live_blocks"], answer["loop_lag_ms"], answer["gauges"]) == (1000, 1.5, {"pool": -2.5})


def test_an_earlier_probe_may_lack_later_columns_only() -> None:
    """Those that earlier recordings may lack, too."""
    lacking = {name: value for name, value in SAMPLE.items() if name != "pymalloc_unused_bytes"}
    assert read_answer("sample", line(lacking))["pymalloc_unused_bytes"] is None
    del lacking["live_blocks"]
    with pytest.raises(ProbeError, match=r"^probe: sample: not an answer: live_blocks: Field required$"):
        read_answer("sample", line(lacking))


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (b"NaN", "live_blocks"),
        (b"1e999", "live_blocks"),
        (str(MOST + 1).encode(), "live_blocks"),
        (b"9" * 400, "live_blocks"),
        (b"-1", "live_blocks: Input should be greater than or equal to 0"),
        (b"true", "live_blocks"),
        (b'"5"', "live_blocks"),
        (b"[" * 200_000, "Invalid JSON: recursion limit exceeded"),
        (b'"\\ud800"', "Invalid JSON"),
    ],
    ids=lambda value: value.decode()[:20] if isinstance(value, bytes) else "",
)
def test_what_is_no_amount_is_named(value: bytes, problem: str) -> None:
    """The whole answer is refused: whoever sends one lie may send two."""
    content = line({**SAMPLE, "live_blocks": "@"}).replace(b'"@"', value)
    with pytest.raises(ProbeError, match=rf"^probe: sample: not an answer: {problem}"):
        read_answer("sample", content)


@pytest.mark.parametrize(
    ("op", "answer"),
    [
        ("trim", {"trimmed": 1}),
        ("inject", {"held": 1.5}),
        ("inject", {"held": -1}),
        ("who", {"holders": 3}),
        ("who", {"holders": [3]}),
        ("who", {"holders": [{"holder": None}]}),
        ("who", {"holders": [{"holder": "a", "retained_whole": 2}]}),
        ("who", {"holders": [{"holder": "a", "entries": [{"type": [1]}]}]}),
        ("who", {"holders": [{"holder": "a"}] * 257}),
        ("stuck", {"refused": None, "groups": []}),
        ("stuck", {"refused": "", "groups": [GROUP] * 52}),
        ("stuck", {"refused": "", "groups": [GROUP | {"stuck": -1}]}),
        ("stuck", {"refused": "", "groups": [GROUP | {"stuck": 5}]}),
        ("stuck", {"refused": "", "groups": [GROUP | {"source": ["x"]}]}),
    ],
)
def test_every_op_has_its_answer(op: str, answer: dict[str, Any]) -> None:
    """One validator for all that is asked."""
    with pytest.raises(ProbeError, match=rf"^probe: {op}: not an answer: "):
        read_answer(op, line({"ok": True, **answer}))


def test_texts_of_the_target_command_no_terminal() -> None:
    """In an error and in a path: escapes are shown, and an error is short."""
    with pytest.raises(ProbeError) as caught:
        read_answer("trim", line({"ok": False, "error": "\x1b[2J" + "x" * 100_000}))
    assert str(caught.value).startswith("probe: trim: \\x1b[2Jxxx")
    assert len(str(caught.value)) < 400
    answer = {"ok": True, "refused": "", "groups": [GROUP | {"source": "\x1b[2J"}]}
    assert read_answer("stuck", line(answer))["groups"][0]["source"] == "\\x1b[2J"
    [holder] = read_answer("who", line({"ok": True, "holders": [{"holder": "a\nb"}]}))["holders"]
    assert holder["holder"] == "a\\nb"


@pytest.fixture
def rogue_bench(tmp_path: Path) -> Iterator[tuple[Bench, list[bytes]]]:
    """A sampler whose target answers the given lines, one a question."""
    lines: list[bytes] = []
    bench = Bench(tmp_path, RunClock(), FakeProbe(), smaps_every_s=600.0)
    target = RogueProbe(tmp_path, lambda connection, _request: connection.sendall(lines.pop(0) + b"\n"))
    bench.sampler.targets = (
        Target("leaky", os.getpid(), 1, Unlimited(), ProbeClient(tmp_path, os.getpid())),
    )
    yield bench, lines
    bench.sampler.targets[0].close()
    target.close()
    bench.close()


@pytest.mark.parametrize("seed", range(5))
def test_no_hostile_answer_ends_the_sampling_or_moves_a_cell_of_the_outside(
    rogue_bench: tuple[Bench, list[bytes]], seed: int
) -> None:
    """Of 120 each that is no answer is a counted gap with its row; of the valid ones no forged column is taken."""
    bench, lines = rogue_bench
    answers = list(hostile_answers(seed, 120))
    lines += [content for content, _ in answers]
    for _ in answers:
        bench.sampler.tick()
    assert bench.sampler.failure is None
    assert lines == []
    refused = sum(not valid for _, valid in answers)
    assert bench.sampler.gaps.total == {"probe": refused}
    rows = bench.rows("samples.csv")
    assert [bool(row["live_blocks"]) for row in rows] == [valid for _, valid in answers]
    for row in rows:
        assert (row["arm"], row["pid"], row["life"], row["phase"], row["rung"]) == (
            "leaky", str(os.getpid()), "1", LOAD, ""
        )  # fmt: skip
        assert 1 << 20 < int(row["rss_bytes"]) < 1 << 36
        assert (row["cgroup_bytes"], row["cgroup_shmem_bytes"], row["pool_free_bytes"]) == ("", "", "")
        assert 0 < int(row["threads"]) < 1_000
        assert float(row["probe_ms"] or 0) < 500
    times = [float(row["t_s"]) for row in rows]
    assert times == sorted(times)
    assert times[-1] < 60


def test_the_gap_of_a_hostile_answer_is_named(rogue_bench: tuple[Bench, list[bytes]]) -> None:
    """In events.csv, with the column and what is wrong with it."""
    bench, lines = rogue_bench
    lines += [line({**SAMPLE, "tasks_alive": "many"}).strip(), line(SAMPLE).strip()]
    bench.sampler.tick()
    bench.sampler.tick()
    with (bench.directory / "events.csv").open() as file:
        details = [row["detail"] for row in csv.DictReader(file)]
    assert details[0].startswith("probe: sample: not an answer: tasks_alive")
    assert details[1] == "probe: back after 1 missed"
