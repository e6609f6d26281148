"""An arm of several processes is judged as their sum."""

from __future__ import annotations

import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.recording.model import Life
from analysis.recording.process_sum import as_one, overlap
from analysis.recording.read import read_recording
from analysis.slopes import life_slopes
from soak import contract
from soak.contract import process_sum
from tests.support.planted_incident import Build
from tests.support.run_directory import write_table


def process(number: int, start_s: float, end_s: float, by: str | None = "soak") -> Life:
    return Life(number, 100 + number, start_s, start_s, end_s, by)


def ticks(*rows: tuple[float, int, float | None, float | None]) -> pd.DataFrame:
    """Of each row: when, life, RSS and live blocks."""
    frame = pd.DataFrame(list(rows), columns=["t_s", "life", "rss_bytes", "live_blocks"], dtype=float)
    return frame.assign(cgroup_bytes=1000.0, phase="load", rung="")


def test_one_process_at_a_time_does_not_overlap() -> None:
    """Restarts are lives after each other, whatever rows are doubled."""
    assert not overlap(ticks((1, 1, 5, 5), (1, 1, 5, 5), (2, 2, 5, 5)))
    assert overlap(ticks((1, 1, 5, 5), (1, 2, 5, 5)))
    assert not overlap(ticks())


def test_readings_of_one_tick_are_summed_and_what_is_the_arms_own_is_not() -> None:
    """Memory adds up; the limit's charge is of all of them already."""
    rows, _ = as_one(ticks((1, 1, 10, 3), (1, 2, 20, 4)), (process(1, 0, 9), process(2, 0, 9)))
    assert rows.to_dict("records") == [
        {
            "t_s": 1,
            "life": 1,
            "rss_bytes": 30,
            "live_blocks": 7,
            "cgroup_bytes": 1000,
            "phase": "load",
            "rung": "",
        }
    ]


def test_a_reading_that_one_process_missed_is_no_sum() -> None:
    """Half of the sum would look like memory that was freed; a process that never has it adds nothing."""
    rows, _ = as_one(
        ticks(
            (1, 1, 10, None), (1, 2, 20, 4), (1, 3, 5, 1), (2, 1, 10, None), (2, 2, 20, None), (2, 3, 5, 1)
        ),
        (process(1, 0, 9), process(2, 0, 9), process(3, 0, 9)),
    )
    assert rows["live_blocks"].to_list()[0] == 5
    assert math.isnan(rows["live_blocks"].to_list()[1])
    assert rows["rss_bytes"].to_list() == [35, 35]


@given(
    st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=3, max_size=3), min_size=2, max_size=5
    )
)
def test_the_sums_of_a_table_are_those_of_the_rule(table: list[list[int | None]]) -> None:
    """The vectorised form and the contract's rule agree on any pattern of missed readings."""
    rows, _ = as_one(
        ticks(*((t_s, life, 1, value) for t_s, tick in enumerate(table) for life, value in enumerate(tick))),
        tuple(process(life, 0, 9) for life in range(3)),
    )
    known = {life for tick in table for life, value in enumerate(tick) if value is not None}
    expected = [process_sum(dict(enumerate(tick)), known) for tick in table]
    assert [None if math.isnan(one) else one for one in rows["live_blocks"]] == expected


def test_a_worker_that_dies_and_its_replacement_make_three_stretches() -> None:
    """The first ends with the death and by what caused it, the second because somebody joined."""
    processes = (process(1, 0, 9), process(2, 0, 3.5, "kernel"), process(3, 6, 9))
    rows, lives = as_one(
        ticks(
            (1, 1, 1, 1), (1, 2, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1), (5, 1, 1, 1), (7, 1, 1, 1), (7, 3, 1, 1)
        ),
        processes,
    )
    assert rows["life"].to_list() == [1, 1, 2, 3]
    assert lives == (
        Life(1, 101, 0, 0, 3.5, "kernel"),
        Life(2, 101, 5, 5, 7, None),
        Life(3, 101, 7, 7, 9, "soak"),
    )
    assert [life.oom_killed for life in lives] == [True, False, False]


@pytest.mark.parametrize("main_ends_s", [9.0, 4.5])
def test_a_kill_for_memory_counts_where_others_left_before_the_same_tick(main_ends_s: float) -> None:
    """One worker was replaced and another one killed between two ticks; so when the main process ended by it."""
    processes = (
        process(1, 0, main_ends_s),
        process(2, 0, 3.5, "unknown"),
        process(3, 0, 4, "kernel"),
        process(4, 6, 9),
    )
    _, lives = as_one(ticks((1, 1, 1, 1), (1, 2, 1, 1), (1, 3, 1, 1), (7, 4, 1, 1)), processes)
    assert lives[0] == Life(1, 101, 0, 0, 4, "kernel")


def test_a_restart_of_the_whole_arm_keeps_the_time_it_was_down() -> None:
    """The stretch after it starts as the new process did."""
    processes = (
        process(1, 0, 4, "kernel"),
        process(2, 0, 4, "kernel"),
        Life(3, 103, 6, 7, 9, "soak"),
        process(4, 7, 9),
    )
    _, lives = as_one(ticks((1, 1, 1, 1), (1, 2, 1, 1), (8, 3, 1, 1), (8, 4, 1, 1)), processes)
    assert lives == (Life(1, 101, 0, 0, 4, "kernel"), Life(2, 103, 6, 7, 9, "soak"))


def test_a_leak_of_one_worker_among_three_processes_is_the_whole_leak(build_run: Build) -> None:
    """Read from a run directory: 1,000 bytes a request in one worker are 1,000 in the arm, in both of its stretches."""
    run_dir = build_run(incident=False, kill_hour=None)
    lives = {1: (1, 216), 2: (1, 216), 3: (1, 100), 4: (102, 216)}
    with (run_dir / contract.EVENTS).open("a") as file:
        for life, (start_s, end_s) in lives.items():
            if life > 1:
                file.write(f"{start_s},,start,leaky,{life},{300 + life},,\n")
                file.write(f"{start_s},,ready,leaky,{life},{300 + life},,\n")
                file.write(f"{end_s},,exit,leaky,{life},{300 + life},unknown,\n")
    rows = [
        {"t_s": t_s, "phase": "load", "rung": "", "life": life, "pid": 300 + life, "cgroup_bytes": 1,
         "rss_bytes": 50_000_000 + (t_s * 80_000 if life == 2 else 0)}
        for t_s in range(22, 201)
        for life, (start_s, end_s) in lives.items()
        if start_s <= t_s <= end_s
    ]  # fmt: skip
    write_table(run_dir / "leaky" / contract.SAMPLES, rows)
    recording = read_recording(run_dir)
    arm, single = recording.arms
    assert recording.load is not None
    assert [life.number for life in arm.processes] == [1, 2, 3, 4]
    assert single.processes == ()
    assert single.by_process.empty
    leaked = arm.by_process.groupby("life")["rss_bytes"].agg(lambda column: column.iloc[-1] - column.iloc[0])
    assert leaked.to_dict() == {1: 0, 2: 80_000 * 178, 3: 0, 4: 0}
    slopes = [life_slopes(arm, life, recording.load).rss_bytes_per_hour for life in arm.lives]
    assert [slope and slope.value for slope in slopes if slope] == [pytest.approx(80_000 * 3600)] * 2


def test_gauges_of_the_targets_own_are_summed_over_its_processes(build_run: Build) -> None:
    """A pool in one worker and one in another are the pool of the arm; a gauge that one worker has is its own."""
    run_dir = build_run(incident=False, kill_hour=None)
    gauges = {1: '{"pool": 2, "jobs": 1}', 2: '{"pool": 3.5}'}
    rows = [
        {"t_s": t_s, "phase": "load", "rung": "", "life": life, "rss_bytes": 1, "gauges": text}
        for t_s in range(22, 60)
        for life, text in gauges.items()
    ]
    write_table(run_dir / "leaky" / contract.SAMPLES, rows)
    samples = read_recording(run_dir).arms[0].samples
    assert set(samples["gauges.pool"]) == {5.5}
    assert set(samples["gauges.jobs"]) == {1.0}
