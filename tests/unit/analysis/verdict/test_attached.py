"""Attached processes under the load that they have: several side by side, and a load of a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from analysis.judge.types import Numbers, ReasonCode
from analysis.recording.read import read_recording
from analysis.verdict.run import JudgedRun, judged_run
from soak import contract
from tests.support import run_directory

HOURS = 12
MIB = float(1 << 20)
Memory = Callable[[Numbers], Numbers]
"""Memory of a process in MiB, by hours since its start."""


def flat(hours: Numbers) -> Numbers:
    return np.full(len(hours), 80.0)


def leaking(hours: Numbers) -> Numbers:
    return 80 + 6 * hours


def morning(hours: Numbers) -> Numbers:
    """Return memory that follows the load of a day from three o'clock at night on: least then, most at three."""
    return np.asarray(110 + 30 * np.sin(2 * np.pi * (hours - 6) / 24))


def attached(run_dir: Path, processes: Mapping[str, Memory]) -> JudgedRun:
    """Return the verdict on a recording of ``soak attach``, read each minute for HOURS."""
    t_s = np.arange(1.0, HOURS * 3600, 60.0)
    end_s = HOURS * 3600.0
    manifest = run_directory.manifest(
        dict.fromkeys(processes, ""), 0.0, attached=True, profile="attach", incident=False, every_s=60.0,
        judge={"max_leak_bytes_per_s": MIB / 3600},
    )  # fmt: skip
    noise = np.random.default_rng(1)
    arms = {}
    for name, memory in processes.items():
        mib = memory(t_s / 3600) + noise.normal(0, 0.3, len(t_s))
        rows = [
            {"t_s": t, "life": 1, "pid": 100, "phase": contract.LOAD, "rss_bytes": round(value * MIB)}
            for t, value in zip(t_s, mib, strict=True)
        ]
        arms[name] = (rows, ())
    events = run_directory.events({contract.LOAD: 0.0}, end_s, processes)
    return judged_run(read_recording(run_directory.write_run(run_dir, manifest, events, arms)))


@pytest.mark.parametrize(
    ("processes", "sentence", "code"),
    [
        ({"pid_1": flat, "pid_2": flat}, "no leak", 0),
        ({"pid_1": leaking, "pid_2": flat}, "LEAK: pid_1", 3),
        ({"pid_1": morning, "pid_2": flat}, "INCONCLUSIVE: pid_1", 4),
    ],
)
def test_every_attached_process_counts_and_nothing_is_signed(
    tmp_path: Path, processes: dict[str, Memory], sentence: str, code: int
) -> None:
    """A steady leak is called; memory that follows the load of a morning is neither called nor cleared."""
    judged = attached(tmp_path / "run", processes)
    assert (judged.signoff.decision, judged.signoff.exit_code) == ("none", code)
    assert judged.signoff.sentence == f"Watched only, nothing to sign off; {sentence}"
    assert [gate.arm for gate in judged.gates] == ["pid_1", "pid_2"]
    if code == 4:
        leading = judged.verdicts[0].leading
        assert leading is not None
        assert leading.judgement.reason_code is ReasonCode.UNKNOWN_LOAD
