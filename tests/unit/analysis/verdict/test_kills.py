"""Kills that the counters of a memory limit tell about, and the events of exits do not, against planted events."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from analysis.judge.types import INCONCLUSIVE
from analysis.recording.events import find_unclaimed_kills
from analysis.recording.model import UnclaimedKills
from analysis.recording.read import read_recording
from analysis.report.gates import gate_rows
from analysis.verdict.run import judged_run
from soak.contract import EVENTS, GateLimit
from soak.errors import EXIT_GATE_FAILED, EXIT_INCONCLUSIVE, EXIT_OK

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")
LONG_BEFORE_OOM = (GateLimit("min_time_to_oom", ">=", 3600.0, of_before=False, text=">= 1h"),)


def counted(kills: int | None, *, met_limit: bool | None) -> str:
    return json.dumps({"oom_kills": kills, "met_limit": met_limit})


def with_end(run_dir: Path, by: str, counters: str) -> Path:
    """Have a worker of the arm fixed end by ``by`` in the load, and its limit have counted that; return the run."""
    rows = pd.read_csv(run_dir / EVENTS)
    worker = {"arm": "fixed", "life": 2, "pid": 400}
    planted = [
        {"t_s": 50.0, "event": "start", **worker},
        {"t_s": 50.0, "event": "ready", **worker},
        {"t_s": 100.0, "event": "exit", "by": by, **worker},
        {"t_s": 215.6, "event": "limit", "arm": "fixed", "life": 1, "pid": 101, "detail": counters},
    ]
    pd.concat([rows, pd.DataFrame(planted)]).sort_values("t_s", kind="stable").to_csv(
        run_dir / EVENTS, index=False
    )
    return run_dir


@pytest.mark.parametrize(
    ("by", "met_limit", "outcome", "exit_code"),
    [
        ("unknown", False, "inconclusive", EXIT_INCONCLUSIVE),
        ("kernel", True, "fail", EXIT_GATE_FAILED),
    ],
)
def test_a_kill_for_the_memory_of_others_decides_nothing(
    build_run: Build, by: str, met_limit: bool, outcome: str, exit_code: int
) -> None:
    """A healthy arm killed for its pod is INCONCLUSIVE and no gate has failed; killed at its own limit it fails."""
    run_dir = with_end(build_run(gates=LONG_BEFORE_OOM), by, counted(1, met_limit=met_limit))
    judged = judged_run(read_recording(run_dir))
    assert gate_rows(judged)[-1].outcome == outcome
    assert judged.signoff.exit_code == exit_code
    fixed = judged.arms[1]
    assert fixed.verdict.oom_kills == int(met_limit)
    assert [one.text[:85] for one in fixed.standing] == (
        []
        if met_limit
        else ["the kernel killed 1 process of it, and its own memory limit had not been met: the mac"]
    )


def test_kills_of_processes_that_are_no_life_leave_the_arm_open(build_run: Build) -> None:
    """The kernel may hold a service at its limit by killing its commands: what grows looks bounded."""
    run_dir = with_end(build_run(gates=LONG_BEFORE_OOM), "unknown", counted(3, met_limit=True))
    judged = judged_run(read_recording(run_dir))
    assert judged.signoff.exit_code == EXIT_INCONCLUSIVE
    fixed = judged.arms[1]
    assert (fixed.verdict.verdict, fixed.verdict.oom_kills) == (INCONCLUSIVE, 0)
    [objection] = fixed.standing
    assert objection.sentence.startswith("fixed: its memory limit killed 3 processes that were no life of it")


@pytest.mark.parametrize(
    ("counters", "exit_code"),
    [
        ('{"peak_bytes": 90000000, "oom_kills": 2, "oomd_kills": null, "watchdog_kills": null}', EXIT_OK),
        (counted(2, met_limit=None), EXIT_INCONCLUSIVE),
    ],
)
def test_kills_for_an_unknown_memory_accuse_no_limit(build_run: Build, counters: str, exit_code: int) -> None:
    """An older recording, which did not state whose memory had run out, keeps its result; where it is unknown, open."""
    run_dir = with_end(build_run(gates=LONG_BEFORE_OOM), "soak", counters)
    judged = judged_run(read_recording(run_dir))
    assert judged.signoff.exit_code == exit_code
    assert [one.sentence[:88] for one in judged.arms[1].standing] == (
        []
        if exit_code == EXIT_OK
        else ["fixed: the kernel killed 2 processes of it, and whether for its own memory limit or for "]
    )


def test_an_arm_that_nobody_killed_is_signed_off(build_run: Build) -> None:
    """With the counters at zero."""
    run_dir = with_end(build_run(gates=LONG_BEFORE_OOM), "unknown", counted(0, met_limit=False))
    assert judged_run(read_recording(run_dir)).signoff.exit_code == EXIT_OK


def events(*rows: tuple[str, int, str, str]) -> pd.DataFrame:
    """Return events of the arm shop: event, life, by, detail."""
    return pd.DataFrame(
        [
            {"arm": "shop", "event": event, "life": life, "by": by, "detail": detail}
            for event, life, by, detail in rows
        ]
    )


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("limit", 1, "", counted(2, met_limit=False))], UnclaimedKills(not_by_limit=2)),
        ([("limit", 1, "", counted(0, met_limit=False))], UnclaimedKills()),
        ([("exit", 1, "kernel", ""), ("limit", 1, "", counted(1, met_limit=True))], UnclaimedKills()),
        (
            [("exit", 1, "unknown", ""), ("limit", 1, "", counted(1, met_limit=True))],
            UnclaimedKills(of_no_life=1),
        ),
        (
            [("exit", 1, "soak", ""), ("limit", 1, "", counted(2, met_limit=None))],
            UnclaimedKills(for_unknown=2),
        ),
        (
            [("exit", 1, "soak", ""), ("limit", 1, "", counted(2, met_limit=True))],
            UnclaimedKills(of_no_life=2),
        ),
        ([("exit", 1, "soak", ""), ("limit", 1, "", '{"oom_kills": 2}')], UnclaimedKills()),
        (  # the workers of an arm that was killed ended with it: they hide no kill of the next life
            [
                ("exit", 1, "kernel", ""),
                ("exit", 2, "kernel", "it ended with the arm"),
                ("limit", 1, "", counted(1, met_limit=True)),
                ("exit", 3, "soak", ""),
                ("limit", 3, "", counted(1, met_limit=True)),
            ],
            UnclaimedKills(of_no_life=1),
        ),
        ([("limit", 1, "", counted(None, met_limit=None))], UnclaimedKills()),
        ([("limit", 1, "", "damaged")], UnclaimedKills()),
        ([("limit", 1, "", "[]")], UnclaimedKills()),
    ],
)
def test_kills_are_compared_with_the_ends_under_each_limit(
    rows: list[tuple[str, int, str, str]], expected: UnclaimedKills
) -> None:
    """Those of another arm are none of them."""
    found = events(*rows)
    assert find_unclaimed_kills(found, "shop") == expected
    assert find_unclaimed_kills(found, "other") == UnclaimedKills()
