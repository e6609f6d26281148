"""What an arm of several processes gains as they come and go, in the levels of its stretches alone."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from analysis.judge.types import INCONCLUSIVE, NO_LEAK
from analysis.recording.model import Arm, Recording
from analysis.recording.read import read_recording
from analysis.verdict.arm import arm_verdict
from tests.support.planted_incident import Build
from tests.support.planted_processes import PlantedProcess, write_processes

QUIET = PlantedProcess()
CHILD = PlantedProcess(start_bytes=20e6)
"""One that never ends costs 19 MB."""
RECYCLED = tuple(
    replace(QUIET, from_s=from_s, to_s=to_s) for from_s, to_s in ((1, 60), (63, 105), (108, 150), (153, 216))
)
"""A worker that is started again three times, with a pause."""


@pytest.fixture
def leaky_run(build_run: Build) -> Path:
    """A run whose first arm's processes a test replaces; it has a margin of 2,000 bytes of each of 80 requests/s."""
    judge = {"max_leak_bytes_per_request": 2000.0, "control": "leaky"}
    return build_run(incident=False, kill_hour=None, judge=judge)


def planted(run_dir: Path, *processes: PlantedProcess) -> tuple[Recording, Arm]:
    """Return the recording whose first arm has these processes, and that arm."""
    write_processes(run_dir, "leaky", processes)
    recording = read_recording(run_dir)
    return recording, recording.arms[0]


@pytest.mark.slow
def test_processes_that_accumulate_are_not_passed(leaky_run: Path) -> None:
    """Of one that is started every 15 s and never ends nothing grows, and the sum does only where one begins."""
    children = (replace(CHILD, from_s=from_s) for from_s in np.arange(30.0, 200.0, 15.0))
    found = arm_verdict(*planted(leaky_run, QUIET, *children), detectable=False)
    assert found.verdict == INCONCLUSIVE
    assert found.leading is not None
    assert found.leading.judgement.verdict == NO_LEAK
    least = re.match(r"its memory grows by ([\d.]+) KiB/request or more as its processes", found.reason)
    assert least is not None
    assert 10_000 < float(least[1]) * 1024 < 19e6 / (15 * 80)


@pytest.mark.slow
@pytest.mark.parametrize(
    "workers",
    [
        tuple(replace(QUIET, from_s=from_s) for from_s in (1.0, 40.0, 70.0, 100.0)),
        (replace(QUIET, from_s=130.0),),
        RECYCLED,
        tuple(replace(QUIET, from_s=from_s, to_s=to_s) for from_s, to_s in ((40, 190), (70, 170), (90, 150))),
    ],
    ids=["a pool that has its size by the middle", "a late worker", "recycled", "up and down"],
)
def test_healthy_workers_that_come_and_go_are_passed(
    leaky_run: Path, workers: tuple[PlantedProcess, ...]
) -> None:
    """Their levels rise once, or until the pool has its size, or as often as they fall."""
    found = arm_verdict(*planted(leaky_run, QUIET, *workers), detectable=False)
    assert (found.verdict, found.objection) == (NO_LEAK, None)


def left_behind(recording: Recording, column: str, each_bytes: float) -> tuple[Recording, Arm]:
    """Return the recording and its first arm, where each of its stretches leaves so many bytes in the column."""
    arm = recording.arms[0]
    level = 200e6 + each_bytes * arm.samples["life"]
    return recording, replace(arm, samples=arm.samples.assign(**{column: level}))


@pytest.mark.usefixtures("planted_verdicts")
@pytest.mark.parametrize(
    ("column", "what"),
    [("held_bytes", "its memory"), ("charged_bytes", "what its memory limit charges")],
)
@pytest.mark.parametrize(
    ("judge", "unit", "times"),
    [
        ({"max_leak_bytes_per_request": 2000.0}, "KiB/request", 2.0**-10),
        ({"max_leak_bytes_per_s": 160_000.0}, "GiB/h", 80 * 3600 * 2.0**-30),
    ],
)
def test_what_outlives_its_process_is_not_passed(
    build_run: Build, column: str, what: str, judge: dict[str, float], unit: str, times: float
) -> None:
    """Such as files on tmpfs: in the memory that clears the arm, and in the charge, by which the time to OOM is told.

    Where each pair of stretches, of 45 s, leaves 36 MB, that is 10 kB per request; where it leaves 6 MB, it is less
    than the margin.
    """
    run_dir = build_run(incident=False, kill_hour=None, judge=judge | {"control": "leaky"})
    recording, _ = planted(run_dir, QUIET, *RECYCLED)
    found = arm_verdict(*left_behind(recording, column, 18e6), detectable=False)
    assert (found.verdict, found.objection is not None) == (INCONCLUSIVE, True)
    start, least, end = re.split(r"([\d.]+)", found.reason, maxsplit=1)
    assert float(least) == pytest.approx(10_000 * times, rel=0.15)
    assert start == f"{what} grows by "
    assert end == (
        f" {unit} or more as its processes come and go, though not while they stay the same; "
        "on the data alone: NO LEAK (it holds its level)"
    )
    passed = arm_verdict(*left_behind(recording, column, 3e6), detectable=False)
    assert (passed.verdict, passed.objection) == (NO_LEAK, None)


@pytest.mark.usefixtures("planted_verdicts")
def test_levels_of_one_process_at_a_time_are_its_restarts(leaky_run: Path) -> None:
    """Each has a level of its own, whichever it is."""
    recording, arm = left_behind(planted(leaky_run, QUIET, *RECYCLED)[0], "held_bytes", 18e6)
    alone = replace(arm, by_process=arm.by_process.iloc[:0], processes=())
    assert arm_verdict(recording, alone, detectable=False).verdict == NO_LEAK
