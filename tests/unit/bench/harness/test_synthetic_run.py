from __future__ import annotations

from pathlib import Path

from analysis.recording.read import read_recording
from analysis.verdict.validity import load_summary
from bench.harness.synthetic_run import RPS, write_run


def test_a_synthetic_run_is_a_whole_recording(tmp_path: Path) -> None:
    """Nothing is missing, all of the load arrived, and there is a row per second and arm."""
    recording = read_recording(write_run(tmp_path / "run", hours=1))
    assert recording.gaps == ()
    assert [arm.name for arm in recording.arms] == ["leaky", "fixed"]
    for arm in recording.arms:
        assert len(arm.samples) > 3600
        load = load_summary(arm, recording.load)
        assert (load.planned, load.arrived) == (3600 * RPS, 1.0)
        assert arm.latency.gaps == ()
