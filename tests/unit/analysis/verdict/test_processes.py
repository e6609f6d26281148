"""Which of an arm's processes grow; the sum decides."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Judgement, Margin, Rate, SignalSeries, Verdict
from analysis.recording.model import Arm, Recording
from analysis.recording.read import read_recording
from analysis.verdict.arm import arm_verdict
from analysis.verdict.processes import MOST_JUDGED, ProcessRow, process_rows
from analysis.verdict.wording import verdict_sentence
from tests.support.planted_incident import PHASES, Build
from tests.support.planted_judge import planted_judge
from tests.support.planted_processes import PlantedProcess, write_processes
from tests.unit.analysis.conftest import JudgeBy

QUIET = PlantedProcess()
MARGIN = Margin(per_request=2000.0)
"""Three minutes of memory in steps of a mebibyte tell no less apart."""


@pytest.fixture
def leaky_run(build_run: Build) -> Path:
    """A run of two arms whose processes a test replaces."""
    judge = {"max_leak_bytes_per_request": MARGIN.per_request, "control": "leaky"}
    return build_run(incident=False, kill_hour=None, judge=judge)


def planted(run_dir: Path, *processes: PlantedProcess) -> Recording:
    """Return the recording whose first arm has these processes."""
    write_processes(run_dir, "leaky", processes)
    return read_recording(run_dir)


def rows_of(recording: Recording, margin: Margin = MARGIN) -> tuple[ProcessRow, ...]:
    """Return the processes of the first arm."""
    return process_rows(recording.arms[0], recording.load, margin)


@pytest.mark.slow
def test_the_worker_that_leaks_is_shown_and_the_sum_decides(leaky_run: Path) -> None:
    """One of three keeps 5,000 bytes of a request: it grows at that rate, the others do not, and the arm is a leak."""
    recording = planted(leaky_run, QUIET, QUIET, replace(QUIET, rss_bytes=5000.0), QUIET)
    first, *others = rows_of(recording)
    assert (first.pid, first.life, first.role, first.growth) == (303, 3, "child", "grows")
    assert first.bytes_per_request_low is not None
    assert first.bytes_per_request_high is not None
    assert first.bytes_per_request_low < 5000 < first.bytes_per_request_high
    assert first.bytes_per_request_high - first.bytes_per_request_low < 500
    assert {(row.life, row.growth) for row in others} == {(life, "does not grow") for life in (1, 2, 4)}
    assert arm_verdict(recording, recording.arms[0], detectable=False).verdict == LEAK


@pytest.mark.slow
def test_nothing_grows_in_a_healthy_arm(leaky_run: Path) -> None:
    """The same processes without the leak."""
    recording = planted(leaky_run, QUIET, QUIET, QUIET)
    assert {row.growth for row in rows_of(recording)} == {"does not grow"}
    assert arm_verdict(recording, recording.arms[0], detectable=False).verdict == NO_LEAK


@pytest.mark.slow
def test_a_leak_that_is_divided_among_the_processes_grows_in_each(leaky_run: Path) -> None:
    """Each keeps less than the margin of the arm and more than its part of it; no row contradicts the sum."""
    recording = planted(leaky_run, *(replace(QUIET, rss_bytes=1200.0) for _ in range(3)))
    assert [row.growth for row in rows_of(recording)] == ["grows"] * 3
    assert arm_verdict(recording, recording.arms[0], detectable=False).verdict == LEAK


def test_a_worker_that_ended_under_load_is_in_the_verdict_line(leaky_run: Path, judge_by: JudgeBy) -> None:
    """Whatever the verdict is: a worker that is repeatedly killed never gets old enough to leak."""
    judge_by(planted_judge)
    whole = planted(leaky_run, QUIET, QUIET)
    recording = planted(
        leaky_run,
        QUIET,
        replace(QUIET, to_s=PHASES["drain"] - 60),
        replace(QUIET, from_s=PHASES["drain"] - 58),
    )
    assert "ended under load" not in verdict_sentence(arm_verdict(whole, whole.arms[0], detectable=False))
    found = verdict_sentence(arm_verdict(recording, recording.arms[0], detectable=False))
    assert found.endswith("1 of its processes ended under load, not for memory")


def test_no_process_is_judged_where_they_stay_the_same(leaky_run: Path, judge_by: JudgeBy) -> None:
    """The arm's verdict is on the sums, whose processes stay the same: no process is judged for it."""
    asked: list[float] = []

    def judge(readings: SignalSeries, margin: Margin, **options: object) -> Judgement:  # noqa: ARG001
        asked.append(float(np.nanmax(readings.value)))
        return planted_judge(readings, margin)

    recording = planted(leaky_run, QUIET, QUIET, QUIET)
    judge_by(judge)
    arm_verdict(recording, recording.arms[0])
    assert asked[0] == pytest.approx(3 * 37e6, rel=0.01)


@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize(
    ("main", "worker", "verdict", "is_passed"),
    [
        (QUIET, replace(QUIET, from_s=100.0), LEAK, False),
        (QUIET, replace(QUIET, from_s=100.0), INCONCLUSIVE, False),
        (QUIET, QUIET, LEAK, True),
        (replace(QUIET, to_s=150.0), replace(QUIET, from_s=100.0), LEAK, False),
        (replace(QUIET, to_s=150.0), replace(QUIET, from_s=100.0), INCONCLUSIVE, True),
    ],
)
def test_a_leak_that_the_sum_lacks_where_workers_come_and_go_is_not_passed(
    leaky_run: Path,
    judge_by: JudgeBy,
    main: PlantedProcess,
    worker: PlantedProcess,
    verdict: Verdict,
    is_passed: bool,
) -> None:
    """Of a process that was there throughout, its own verdict does not matter: alone it would not be cleared, either.

    Of one that was not it has to be a leak: what it gains may be its warm-up.
    """

    def judge(readings: SignalSeries, margin: Margin, **options: object) -> Judgement:  # noqa: ARG001
        found = planted_judge(readings, margin)
        if not 36e6 < np.nanmax(readings.value) < 38e6:  # the arm, or a part of it
            return replace(found, verdict=NO_LEAK)
        return replace(found, verdict=verdict, reason="it grows", per_request=Rate(3000.0, 2900.0, 3100.0))

    judge_by(judge)
    found = arm_verdict(*_of(planted(leaky_run, main, worker)), detectable=False)
    assert (found.verdict == NO_LEAK) is is_passed
    if not is_passed:
        assert found.verdict == INCONCLUSIVE
        assert found.reason.startswith(
            "its process 100, life 1, grows by more than the margin (it grows), though the sum over all does not; "
        )


def _of(recording: Recording) -> tuple[Recording, Arm]:
    return recording, recording.arms[0]


def test_an_arm_of_one_process_at_a_time_has_no_rows(leaky_run: Path) -> None:
    """Its lives have their slopes; so has a helper that was gone before the load."""
    assert rows_of(read_recording(leaky_run)) == ()
    assert rows_of(planted(leaky_run, QUIET, replace(QUIET, to_s=15.0))) == ()


@pytest.mark.usefixtures("planted_verdicts")
def test_a_run_without_a_load_has_no_rows(leaky_run: Path) -> None:
    """There is nothing to grow under."""
    recording = planted(leaky_run, QUIET, QUIET)
    assert process_rows(recording.arms[0], None, MARGIN) == ()


@pytest.mark.usefixtures("planted_verdicts")
def test_a_row_has_when_its_process_lived_and_what_it_had_last(leaky_run: Path) -> None:
    """A worker that is replaced in the middle of the load are two rows, each with its own part of it."""
    grown = PlantedProcess(rss_bytes=500.0, noise_bytes=0.0)
    rows = rows_of(planted(leaky_run, QUIET, replace(grown, to_s=81.0), replace(grown, from_s=91.0)))
    found = {row.life: row for row in rows}
    assert [(found[life].from_s, found[life].to_s) for life in (1, 2, 3)] == [(0, 180), (0, 60), (70, 180)]
    assert [found[life].role for life in (1, 2, 3)] == ["main", "child", "child"]
    assert found[2].rss_bytes == 40e6 + 500 * 80 * 59
    assert found[3].rss_bytes == 40e6 + 500 * 80 * 109
    assert found[2].gained_bytes == pytest.approx(500 * 80 * (59 - 4))
    assert found[2].bytes_per_request == pytest.approx(500, rel=0.01)
    assert found[2].bytes_per_s == pytest.approx(500 * 80, rel=0.01)


def test_a_process_that_lived_too_shortly_is_undecided(leaky_run: Path) -> None:
    """It has a row with its memory, and no rate."""
    rows = rows_of(planted(leaky_run, QUIET, replace(QUIET, from_s=30.0, to_s=36.0)))
    assert (rows[-1].life, rows[-1].growth, rows[-1].bytes_per_request) == (2, "undecided", None)
    assert rows[-1].rss_bytes is not None
    assert rows[-1].reason.startswith("too few readings")


@pytest.mark.usefixtures("planted_verdicts")
def test_of_very_many_processes_those_that_gained_most_are_judged(leaky_run: Path) -> None:
    """The leak is the twentieth of thirty."""
    leak = replace(QUIET, rss_bytes=5000.0)
    rows = rows_of(planted(leaky_run, *(leak if life == 20 else QUIET for life in range(1, 31))))
    assert len(rows) == 30
    assert [row.growth == "not judged" for row in rows] == [False] * MOST_JUDGED + [True] * (30 - MOST_JUDGED)
    assert (rows[0].life, rows[0].growth) == (20, "grows")


@pytest.mark.usefixtures("planted_verdicts")
def test_processes_whose_memory_never_changes_are_judged_last(leaky_run: Path) -> None:
    """Launchers take the place of none that could leak, though it has less at the end than at the start."""
    launcher, shrinking = replace(QUIET, noise_bytes=0.0), replace(QUIET, rss_bytes=-20.0)
    rows = rows_of(planted(leaky_run, *[launcher] * MOST_JUDGED, shrinking))
    assert [row.life for row in rows if row.growth == "not judged"] == [MOST_JUDGED]


@pytest.mark.usefixtures("planted_verdicts")
def test_the_most_exact_memory_that_was_read_is_judged(leaky_run: Path) -> None:
    """What is held where the allocators were asked, else all of its own, else USS, else RSS; each process by itself."""
    recording = planted(leaky_run, QUIET, replace(QUIET, rss_bytes=700.0))
    (arm, _), load = recording.arms, recording.load

    def signals(rows: pd.DataFrame) -> dict[int, str]:
        found = process_rows(replace(arm, by_process=rows), load, MARGIN)
        return {row.life: row.signal for row in found}

    rows = arm.by_process
    launcher, seldom = rows["life"] == 1, rows["t_s"] % 60 < 1
    assert signals(rows) == {1: "held_bytes", 2: "held_bytes"}
    assert signals(rows.assign(free_bytes=rows["free_bytes"].mask(launcher))) == {
        1: "own_bytes",
        2: "held_bytes",
    }
    assert signals(rows.assign(free_bytes=rows["free_bytes"].where(seldom))) == {
        1: "own_bytes",
        2: "own_bytes",
    }
    unread = rows.assign(anon_bytes=np.nan)
    assert signals(unread) == {1: "rss_bytes", 2: "rss_bytes"}
    assert signals(unread.assign(uss_bytes=30e6)) == {1: "uss_bytes", 2: "uss_bytes"}
    assert signals(unread.assign(uss_bytes=rows["rss_bytes"].where(seldom))) == {
        1: "rss_bytes",
        2: "rss_bytes",
    }


@pytest.mark.usefixtures("planted_verdicts")
def test_free_memory_of_the_allocators_is_no_growth(leaky_run: Path) -> None:
    """A process whose own memory rises by what its allocator has free does not grow."""
    recording = planted(leaky_run, QUIET, QUIET)
    rows, load = recording.arms[0].by_process, recording.load
    freed = (rows["life"] == 2) * 80 * 9000.0 * (rows["t_s"] - 21)
    rows = rows.assign(anon_bytes=rows["anon_bytes"] + freed, free_bytes=rows["free_bytes"] + freed)
    found = process_rows(replace(recording.arms[0], by_process=rows), load, MARGIN)
    assert [row.growth for row in found] == ["does not grow"] * 2


@pytest.mark.usefixtures("planted_verdicts")
def test_processes_that_no_event_names_have_their_readings(leaky_run: Path) -> None:
    """Where events.csv is damaged, the rows are all there is."""
    recording = planted(leaky_run, QUIET, QUIET)
    arm = replace(recording.arms[0], processes=())
    rows = process_rows(arm, recording.load, MARGIN)
    assert {(row.life, row.pid, row.growth) for row in rows} == {
        (1, 301, "does not grow"),
        (2, 302, "does not grow"),
    }


@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize(("last_s", "is_passed"), [(1e9, True), (60.0, False)])
def test_a_process_that_lives_and_is_read_no_more_is_not_passed(
    leaky_run: Path, last_s: float, *, is_passed: bool
) -> None:
    """The others are read at each tick, and the sum goes on without it, as if it had ended."""
    write_processes(leaky_run, "leaky", (QUIET, QUIET, QUIET))
    path = leaky_run / "leaky" / "samples.csv"
    rows = pd.read_csv(path)
    rows[(rows["life"] != 3) | (rows["t_s"] < last_s)].to_csv(path, index=False)
    recording = read_recording(leaky_run)
    found = arm_verdict(recording, recording.arms[0], detectable=False)
    assert (found.verdict == NO_LEAK) is is_passed
    if not is_passed:
        assert re.match(
            r"its process 303, life 3, was read at \d+ of the 1\d\d ticks while it was alive and loaded; on the data",
            found.reason,
        )


@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize("each_maps_its_own", [False, True])
def test_shared_memory_that_is_counted_for_each_process_makes_no_leak(
    leaky_run: Path, judge_by: JudgeBy, *, each_maps_its_own: bool
) -> None:
    """Three workers map a segment that grows by 1,200 bytes of each request, below the margin of 2,000."""

    def judge(readings: SignalSeries, margin: Margin, **options: object) -> Judgement:  # noqa: ARG001
        found = planted_judge(readings, margin)
        if readings.signal != "rest_bytes":
            return replace(found, verdict=NO_LEAK)
        return replace(found, verdict=LEAK, per_request=Rate(3600.0, 3590.0, 3610.0))

    judge_by(judge)
    write_processes(leaky_run, "leaky", (QUIET, QUIET, QUIET))
    path = leaky_run / "leaky" / "samples.csv"
    rows = pd.read_csv(path)
    grown = (1200.0 if not each_maps_its_own else 0.0) * 80 * (rows["t_s"] - 20).clip(0, 180)
    rows.assign(shmem_bytes=grown, cgroup_shmem_bytes=None).to_csv(path, index=False)
    recording = read_recording(leaky_run)
    found = arm_verdict(recording, recording.arms[0], detectable=False)
    assert found.verdict == (LEAK if each_maps_its_own else INCONCLUSIVE)
    if not each_maps_its_own:
        assert "are shared memory that several of its processes map, which may be the same" in found.reason
