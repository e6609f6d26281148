"""The disk that a recording takes is known before the run."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from soak.config.load import load_profile
from soak.errors import UsageError
from soak.plan.disk import check_disk, megabytes, recording_bytes
from soak.plan.run_plan import plan_run

REAL_RUN_BYTES = 588_000
"""What the tables, latencies and events of a run of the demo took."""


def test_the_estimate_is_that_of_a_real_run() -> None:
    """The demo of four minutes took 588 kB, logs and report left out; the estimate is at most half as much again."""
    profile = load_profile("demo")
    assert REAL_RUN_BYTES < recording_bytes(profile, 2) < 1.5 * REAL_RUN_BYTES


def test_it_grows_with_the_arms_the_time_and_the_rows() -> None:
    """Twice the arms take twice as much; rows each second and censuses each half minute three times as much."""
    days = load_profile("release", ["phases.load_s=72h"])
    whole = recording_bytes(days, 2)
    assert recording_bytes(days, 4) == 2 * whole
    often = load_profile("release", ["phases.load_s=72h", "sampling.every_s=1", "sampling.census_every_s=30"])
    assert 2.5 * whole < recording_bytes(often, 2) < 3.5 * whole


def test_three_days_of_two_arms_take_150_megabytes_at_most() -> None:
    """Nine times as long as 8 hours, they take three times as much, as requests.csv has a row of each second."""
    days = recording_bytes(load_profile("release", ["phases.load_s=72h"]), 2)
    assert days < 150e6
    assert days < 3.3 * recording_bytes(load_profile("release", ["phases.load_s=8h"]), 2)


def test_a_disk_without_the_room_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is made; the directory of the runs need not be there yet."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=100 << 20))
    check_disk(100 << 20, tmp_path / "new" / "runs")
    with pytest.raises(
        UsageError, match=r"runs: the recording takes about 101 MiB, and 100 MiB are free\. Free some"
    ):
        check_disk(101 << 20, tmp_path / "new" / "runs")
    assert list(tmp_path.iterdir()) == []


def test_the_plan_states_the_disk() -> None:
    """As --dry-run prints it, and as a run prints it before it starts."""
    plan = plan_run(load_profile("demo"), Path("RUN"), Path("PROBE"))
    assert plan.disk == (
        f"disk     about {megabytes(plan.recording_bytes)} for the recording, of one process of each arm: a row every "
        "1 s, a census every 10 s"
    )
    assert plan.disk in plan.describe()
    days = ["phases.load_s=72h", "sampling.census_every_s=0"]
    spaced = plan_run(load_profile("release", days), Path("RUN"), Path("PROBE"))
    assert spaced.disk.endswith(": a row every 9 s, no census")
