"""Memory that is another between quiesce points than at them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.judge.types import Numbers
from analysis.recording.read import read_recording
from analysis.verdict.arm import ArmVerdict
from analysis.verdict.run import judged_run
from soak import contract
from tests.support import run_directory

RPS = 40
EVERY_S = 10.0
LOAD_S = (20.0, 320.0)
END_S = 330.0
BODY = 8000.0
"""Bytes of a request that are kept, for however long."""
MARGIN = 200.0

Kept = Callable[[Numbers], Numbers]
"""Native bytes kept at a time."""


def served(t_s: Numbers) -> Numbers:
    return RPS * np.clip(t_s, 0.0, LOAD_S[1])


def leaking(rate: float) -> Kept:
    return lambda t_s: rate * served(t_s)


def emptied_each(period_s: float, leak: float = 0.0) -> Kept:
    """Return a buffer that a timer empties, and what leaks beside it."""
    return lambda t_s: BODY * (served(t_s) - served(np.floor(t_s / period_s) * period_s)) + leak * served(t_s)


def tidied_when_idle(t_s: Numbers) -> Numbers:
    """Return what is kept since the last pause, which ends each EVERY_S; a point is read in the midst of it."""
    return BODY * (served(t_s) - served(np.floor((t_s + 0.6) / EVERY_S) * EVERY_S)).clip(0)


def verdict_on(run_dir: Path, kept: Kept, collected_each: float = 0.0) -> ArmVerdict:
    """Return the verdict on an arm with points; the collector frees so many objects at each."""
    ticks = np.arange(1.0, END_S - 1)
    points = np.arange(EVERY_S, LOAD_S[1] + 1, EVERY_S) - 0.5
    t_s = np.concatenate([ticks, points])
    rung = np.where(np.arange(len(t_s)) < len(ticks), "", contract.POINT)
    native = 8e6 + kept(t_s) + np.random.default_rng(1).normal(0, 5e3, len(t_s))
    starts = np.array([0.0, 5.0, LOAD_S[0], LOAD_S[1]])
    phases = np.array([contract.IDLE, contract.WARMUP, contract.LOAD, contract.DRAIN], dtype=object)
    rows = pd.DataFrame(
        {
            "t_s": t_s,
            "life": 1,
            "pid": 100,
            "phase": phases[np.searchsorted(starts, t_s, side="right") - 1],
            "rung": rung,
            "rss_bytes": np.round(60e6 + native),
            "anon_bytes": np.round(25e6 + native),
            "shmem_bytes": 0,
            "probe_ms": 1.0,
            "live_blocks": 300_000,
            "pymalloc_arena_bytes": 20 << 20,
            "pymalloc_free_bytes": 1 << 20,
            "pymalloc_unused_bytes": 0,
            "malloc_in_use_bytes": np.round(native),
            "malloc_free_bytes": 1e6,
            "malloc_arena_bytes": np.round(native + 1e6),
            "malloc_top_bytes": 0,
            "allocator": "glibc",
            "gc_collected": collected_each * np.searchsorted(points, t_s, side="right"),
        }
    ).sort_values("t_s", kind="stable")
    seconds = np.arange(5, int(LOAD_S[1]))
    counts = {"planned": RPS, "sent": RPS, "ok": RPS, "missed": 0, "opened": 0}
    counts |= {"messages_sent": 0, "messages_received": 0}
    counts |= dict.fromkeys((f"failed_{kind}" for kind in contract.FAILURE_KINDS), 0)
    phase = np.where(seconds < LOAD_S[0], contract.WARMUP, contract.LOAD)
    requests = pd.DataFrame({"t_s": seconds, "phase": phase, **counts})
    manifest = run_directory.manifest(
        {"app": ""}, LOAD_S[1] - LOAD_S[0], profile="own", incident=False,
        judge={"max_leak_bytes_per_request": MARGIN},
    )  # fmt: skip
    events = run_directory.events(dict(zip(phases, starts, strict=True)), END_S, ["app"])
    run_directory.write_run(run_dir, manifest, events, {"app": (rows, requests)})
    load = (LOAD_S[0], LOAD_S[1] - LOAD_S[0], ((5000, round(RPS * (LOAD_S[1] - LOAD_S[0]))),))
    run_directory.write_latency_log(run_dir / "app" / contract.LATENCY_LOG, [load])
    (verdict,) = judged_run(read_recording(run_dir)).verdicts
    return verdict


@pytest.mark.parametrize(("rate", "expected"), [(0.0, "no_leak"), (600.0, "leak")])
def test_points_that_agree_with_what_is_between_decide(tmp_path: Path, rate: float, expected: str) -> None:
    """Nothing falls in the pauses, and the ticks have the verdict of the points."""
    assert verdict_on(tmp_path / "run", leaking(rate)).verdict == expected


def test_what_is_freed_when_idle_clears_nothing(tmp_path: Path) -> None:
    """A service that tidies up in each pause: without pauses, all that its requests keep would stay."""
    found = verdict_on(tmp_path / "run", tidied_when_idle)
    assert found.verdict == "inconclusive"
    assert "between quiesce points, and falls in their pauses" in found.reason
    assert "leave out sampling.quiesce_every_s; on the data alone: NO LEAK" in found.reason


def test_a_point_that_is_there_twice_is_one(tmp_path: Path) -> None:
    """As in a file that was damaged: it is judged, and raises nothing."""
    verdict_on(tmp_path / "run", tidied_when_idle)
    path = tmp_path / "run" / "app" / contract.SAMPLES
    lines = path.read_text().splitlines(keepends=True)
    point = next(number for number, line in enumerate(lines) if ",point," in line and line > "100")
    path.write_text("".join([*lines[: point + 1], *lines[point:]]))
    (verdict,) = judged_run(read_recording(tmp_path / "run")).verdicts
    assert verdict.verdict == "inconclusive"


def test_what_the_collector_frees_at_the_points_is_no_leak(tmp_path: Path) -> None:
    """Cycles that it would free by itself, if later."""
    found = verdict_on(tmp_path / "run", tidied_when_idle, collected_each=RPS * EVERY_S * BODY / 400)
    assert found.verdict == "no_leak"


def test_a_buffer_of_another_time_is_not_taken_back_by_the_pauses(tmp_path: Path) -> None:
    """It grows from point to point as well, and falls where its timer has it."""
    assert verdict_on(tmp_path / "run", emptied_each(37.0)).verdict != "leak"
    assert "in their pauses" not in verdict_on(tmp_path / "other", emptied_each(37.0)).reason


@pytest.mark.parametrize(
    ("kept", "alone", "between"),
    [(emptied_each(9.7), "LEAK", "NO LEAK"), (emptied_each(10.5, 430.0), "NO LEAK", "LEAK")],
)
def test_a_timer_that_keeps_step_with_the_points_decides_nothing(
    tmp_path: Path, kept: Kept, alone: str, between: str
) -> None:
    """Of what it fills and empties the points draw a line: one that rises is no leak, one that falls hides one."""
    found = verdict_on(tmp_path / "run", kept)
    assert found.verdict == "inconclusive"
    assert found.reason.startswith(f"at quiesce points it is {alone}, and between them {between} (")
