"""Attached processes under the load that they have: several side by side, and a load of a day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from analysis.judge.types import Numbers
from analysis.recording.read import read_recording
from analysis.verdict.run import JudgedRun, judged_run
from analysis.verdict.validity import ObjectionKind
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


def steady(hours: Numbers) -> Numbers:
    return np.full(len(hours), 600.0)


def by_day(hours: Numbers) -> Numbers:
    return np.asarray(600 + 400 * np.sin(2 * np.pi * (hours - 6) / 24))


def attached(
    run_dir: Path, processes: Mapping[str, Memory], requests: Memory | None = steady, hours: int = HOURS
) -> JudgedRun:
    """Return the verdict on a recording of ``soak attach``, read each minute for ``hours``.

    ``requests`` are those of each minute; None where they are not known.
    """
    t_s = np.arange(1.0, hours * 3600, 60.0)
    end_s = hours * 3600.0
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
        served = [] if requests is None else list(zip(t_s, requests(t_s / 3600), strict=True))
        arms[name] = (
            rows,
            [{"t_s": t, "arm": name, "phase": contract.LOAD, "ok": count} for t, count in served],
        )
    events = run_directory.events({contract.LOAD: 0.0}, end_s, processes)
    return judged_run(read_recording(run_directory.write_run(run_dir, manifest, events, arms)))


@pytest.mark.parametrize(
    ("processes", "sentence", "code"),
    [
        ({"pid_1": flat, "pid_2": flat}, "no leak", 0),
        ({"pid_1": leaking, "pid_2": flat}, "LEAK: pid_1", 3),
    ],
)
def test_every_attached_process_counts_and_nothing_is_signed(
    tmp_path: Path, processes: dict[str, Memory], sentence: str, code: int
) -> None:
    """Under a load that is steady a leak is called, and what is flat is cleared."""
    judged = attached(tmp_path / "run", processes)
    assert (judged.signoff.decision, judged.signoff.exit_code) == ("none", code)
    assert judged.signoff.sentence == f"Watched only, nothing to sign off; {sentence}"
    assert [gate.arm for gate in judged.gates] == ["pid_1", "pid_2"]


@pytest.mark.parametrize(
    ("requests", "cause"), [(None, "the requests are not known"), (by_day, "busiest hour")]
)
@pytest.mark.parametrize("memory", [flat, leaking, morning])
def test_what_may_follow_the_load_of_a_day_is_neither_called_nor_cleared(
    tmp_path: Path, memory: Memory, requests: Memory | None, cause: str
) -> None:
    """Half a day in which the requests are not known, or vary: the verdict names what would decide."""
    judged = attached(tmp_path / "run", {"pid_1": memory}, requests)
    assert judged.signoff.exit_code == 4
    verdict = judged.verdicts[0]
    assert verdict.verdict == "inconclusive"
    assert verdict.objection is not None
    assert verdict.objection.kind is ObjectionKind.DAY
    assert cause in verdict.reason
    assert "a life of two days would decide" in verdict.reason
    if memory is leaking and requests is None:
        assert "on the data alone: LEAK" in verdict.reason


def jobs(hours: Numbers) -> Numbers:
    """Return memory that jobs take from half past eight on, on a day that begins at four."""
    return np.asarray(200 + 40 / (1 + np.exp(-(hours - 4.5) / 0.7)))


def test_steady_requests_do_not_tell_a_leak_from_other_jobs_of_a_day(tmp_path: Path) -> None:
    """Health checks alone are counted: what the morning's jobs take is no leak, and what leaks steadily is one."""
    judged = attached(tmp_path / "run", {"worker": jobs, "leaky": leaking, "flat": flat}, hours=8)
    worker, leaky, level = judged.verdicts
    assert worker.verdict == "inconclusive"
    assert "memory changes unevenly while the requests are steady" in worker.reason
    assert (leaky.verdict, level.verdict) == ("leak", "no_leak")


@pytest.mark.parametrize(("leak", "verdict"), [(0.0, "no_leak"), (2.0, "inconclusive")])
def test_a_week_end_that_takes_what_leaks_does_not_clear_it(
    tmp_path: Path, leak: float, verdict: str
) -> None:
    """Seven days of requests that are not known: what is held for a day falls on the last by more than what leaks."""

    def held(hours: Numbers) -> Numbers:
        return np.asarray(150 + leak * hours - 60 * ((hours - 144) / 24).clip(0, 1) * (leak > 0))

    judged = attached(tmp_path / "run", {"pid_1": held}, None, hours=168)
    (found,) = judged.verdicts
    assert found.verdict == verdict
    assert ("a load that falls may hide it" in found.reason) is (leak > 0)
