from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from analysis.ablation.leak_per_fault import fault_leaks
from analysis.commands.ablation import make_ablation
from analysis.recording.read import read_recording
from soak.errors import RecordingError
from tests.support.paths import EXPECTED
from tests.support.planted_arms import PlantedArm, Soak, write_soak

SOAK = Soak("ablation", 120, rps=25, hour_s=20.0)
NOISE = 2e4
ARMS = {
    "all": PlantedArm(rss_bytes=18_030, live_blocks=25, native_bytes=15_300, sessions=0.1, noise_bytes=NOISE),
    "tasks": PlantedArm(rss_bytes=630, live_blocks=8, native_bytes=20, noise_bytes=NOISE),
    "sessions": PlantedArm(rss_bytes=1_230, live_blocks=5, native_bytes=100, sessions=0.1, noise_bytes=NOISE),
    "cache": PlantedArm(rss_bytes=730, live_blocks=4, noise_bytes=NOISE),
    "history": PlantedArm(rss_bytes=15_930, live_blocks=10, native_bytes=15_200, noise_bytes=NOISE),
    "cycles": PlantedArm(rss_bytes=30, noise_bytes=NOISE),
    "none": PlantedArm(rss_bytes=30, noise_bytes=NOISE),
}


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """An ablation whose faults keep 600, 1200, 700, 15,900 and 0 bytes alone and 18,000 together."""
    return write_soak(tmp_path / "planted", SOAK, ARMS)


def test_an_ablation_is_told_and_written(run_dir: Path) -> None:
    """The text holds every arm, the sum against all together, and what a session costs; the files stand beside."""
    found = make_ablation(run_dir)
    assert found.text == (EXPECTED / "ablation.txt").read_text()
    assert found.exit_code == 0
    report = run_dir / "report"
    assert sorted(path.name for path in report.iterdir()) == ["ablation.csv", "ablation.png"]
    with (report / "ablation.csv").open(newline="") as file:
        rows = {row["arm"]: row for row in csv.DictReader(file)}
    assert list(rows) == [
        "all",
        "sum of the five",
        *("tasks", "sessions", "cache", "history", "cycles"),
        "none",
    ]
    assert rows["none"]["above_none_bytes_per_request"] == ""
    assert float(rows["sessions"]["above_none_bytes_per_session"]) == pytest.approx(12_000, rel=0.01)


def test_each_planted_fault_is_found_and_nothing_else(run_dir: Path) -> None:
    """What was planted above none lies within twice the interval of each arm, zero for cycles; no interval is wide."""
    planted = {"all": 18_000, "tasks": 600, "sessions": 1_200, "cache": 700, "history": 15_900, "cycles": 0}
    lines = {line.arm: line for line in fault_leaks(read_recording(run_dir))}
    for arm, size_bytes in {**planted, "sum of the five": 18_400}.items():
        above, half = lines[arm].above_none_bytes_per_request, lines[arm].above_none_ci95_bytes_per_request
        assert above is not None
        assert half is not None
        assert abs(above - size_bytes) < 2 * half, arm
        assert half < 50
    assert lines["tasks"].live_blocks_per_request == pytest.approx(8)
    assert lines["history"].native_bytes_per_request == pytest.approx(15_200)


def test_the_sum_carries_the_error_of_what_is_subtracted(run_dir: Path) -> None:
    """None is subtracted five times, so its error counts five times, not once for each arm's own."""
    lines = {line.arm: line for line in fault_leaks(read_recording(run_dir))}
    halves = {arm: line.rss_ci95_bytes_per_request or 0.0 for arm, line in lines.items()}
    singles = [halves[name] for name in ("tasks", "sessions", "cache", "history", "cycles")]
    expected = (sum(half**2 for half in singles) + (5 * halves["none"]) ** 2) ** 0.5
    assert lines["sum of the five"].above_none_ci95_bytes_per_request == pytest.approx(expected)


def test_an_arm_that_was_not_sampled_leaves_a_gap(run_dir: Path) -> None:
    """Without one fault there is no sum, and the reasons say what is missing; the others stand."""
    (run_dir / "cache" / "samples.csv").unlink()
    found = make_ablation(run_dir)
    assert found.exit_code == 4
    assert "cache: samples.csv is missing (No such file or directory)" in found.text
    assert re.search(r"^cache( +-){5}$", found.text, re.MULTILINE)
    assert re.search(r"^sum of the five( +-){5}$", found.text, re.MULTILINE)
    assert "of all together" not in found.text


def test_only_an_ablation_is_read_as_one(tmp_path: Path) -> None:
    """A run without the arms of an ablation is refused with their names, and nothing is written."""
    run_dir = write_soak(tmp_path / "run", SOAK, {"all": PlantedArm(), "tasks": PlantedArm()})
    with pytest.raises(
        RecordingError, match=r"run: no arm sessions, cache, history, cycles, none \(there are all, "
    ):
        make_ablation(run_dir)
    assert not (run_dir / "report").exists()
