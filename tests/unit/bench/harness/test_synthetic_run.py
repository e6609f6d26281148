from __future__ import annotations

from pathlib import Path

import pytest

from analysis.recording.read import read_recording
from analysis.verdict.validity import arm_objections, load_summary
from bench.harness.synthetic_run import RPS, write_run


@pytest.mark.parametrize("times_apart", [1, 9])
def test_a_synthetic_run_is_a_whole_recording(tmp_path: Path, times_apart: int) -> None:
    """Nothing is missing, all of the load arrived, and there is a row per second and arm, or one each 9 s."""
    recording = read_recording(write_run(tmp_path / "run", hours=1, times_apart=times_apart))
    assert recording.gaps == ()
    assert [arm.name for arm in recording.arms] == ["leaky", "fixed"]
    for arm in recording.arms:
        assert len(arm.samples) > 3600 / times_apart
        load = load_summary(arm, recording.load)
        assert arm_objections(recording, arm, load) == ()
        assert (load.planned, load.arrived) == (3600 * RPS, 1.0)
        assert arm.latency.gaps == ()
