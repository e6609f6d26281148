"""The verdict on an arm that ran elsewhere, by what it states of itself: leaks called, healthy ones cleared."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.explanation import decided
from analysis.report.html.page import ALTS, report_html
from analysis.verdict.run import JudgedRun, judged_run
from soak import contract
from tests.support.planted_arms import PlantedArm, Soak, write_soak

SOAK = Soak("mine", load_s=180, rps=50, hour_s=3600)
URL = "http://10.0.0.7:8000"
LOAD_AT = SOAK.phases[contract.LOAD]


@dataclass(frozen=True)
class Far:
    """What became of the arm that ran elsewhere."""

    leak: float = 0.0
    """Bytes that it keeps of each request."""
    away: range = range(0)
    """Seconds in which its metrics did not answer."""
    restarted: bool = False
    """Whether another process answered after that."""
    period_s: int = 1
    """Seconds between two readings."""
    unsampled: bool = False
    """Whether several processes answered."""


def recorded(run_dir: Path, far: Far) -> Path:
    """Write a run of one such arm."""
    write_soak(run_dir, SOAK, {"prod": PlantedArm("after", rss_bytes=far.leak, noise_bytes=20_000)})
    manifest = json.loads((run_dir / contract.MANIFEST).read_text())
    manifest["arms"][0] |= {"url": URL, "metrics": "/metrics"}
    manifest |= {"incident": False, "judge": {"max_leak_bytes_per_request": 1000.0}}
    (run_dir / contract.MANIFEST).write_text(json.dumps(manifest))
    path = run_dir / "prod" / contract.SAMPLES
    rows = pd.read_csv(path)
    rows[["live_blocks", "malloc_in_use_bytes", "sessions_open"]] = None
    rows = rows[~rows["t_s"].isin(far.away) & (rows["t_s"] % far.period_s == 0)]
    if far.period_s > 1:
        rows["until_next_s"] = float(far.period_s)
    told: list[dict[str, Any]] = []
    if far.restarted:
        later = rows["t_s"] >= far.away.stop
        rows.loc[later, "life"] = 2
        rows.loc[later, "rss_bytes"] -= far.leak * SOAK.rps * (far.away.stop - LOAD_AT)
        told = [
            {"event": "exit", "life": 1, "by": "unknown"}, {"event": "start", "life": 2},
            {"event": "ready", "life": 2},
        ]  # fmt: skip
    if far.unsampled:
        told.append(
            {"event": "unsampled", "detail": "several processes answer at its url, of which all but one"}
        )
    rows.to_csv(path, index=False)
    events = pd.read_csv(run_dir / contract.EVENTS)
    events = events[(events["arm"] != "prod") | (events["event"] != "exit")].assign(pid=None)
    _add_events(run_dir / contract.EVENTS, events, told, at_s=far.away.stop or LOAD_AT + 60)
    return run_dir


def _add_events(path: Path, events: pd.DataFrame, told: Iterable[Mapping[str, Any]], at_s: float) -> None:
    new = pd.DataFrame([{"t_s": at_s, "arm": "prod", **one} for one in told])
    together = pd.concat([events, new]) if len(new) else events
    together.sort_values("t_s", kind="stable").to_csv(path, index=False)


def judged(run_dir: Path, far: Far) -> JudgedRun:
    return judged_run(read_recording(recorded(run_dir, far)))


@pytest.mark.parametrize("period_s", [1, 4])
@pytest.mark.parametrize(("leak", "verdict"), [(6000.0, "leak"), (0.0, "no_leak")])
def test_it_is_judged_by_rss_per_request(tmp_path: Path, leak: float, verdict: str, period_s: int) -> None:
    """Also where its answers took so long that it was read less often, which is no gap."""
    [found] = judged(tmp_path / "run", Far(leak, period_s=period_s)).verdicts
    assert found.verdict == verdict, found.reason
    assert found.leading is not None
    assert found.leading.judgement.signal == "rss_bytes"
    assert found.rate is not None
    assert found.rate.value == pytest.approx(leak, rel=0.05, abs=300)


def test_metrics_that_were_away_leave_it_inconclusive(tmp_path: Path) -> None:
    """Ten of 180 seconds: what nobody saw may be a leak that was cleared by a restart."""
    [found] = judged(tmp_path / "run", Far(away=range(LOAD_AT + 60, LOAD_AT + 72))).verdicts
    assert found.verdict == "inconclusive"
    assert found.reason.startswith("memory was read at 169 of the 180 ticks while it was alive and loaded")
    far = Far(away=range(LOAD_AT + 60, LOAD_AT + 68))
    assert judged(tmp_path / "short", far).verdicts[0].verdict == "no_leak"


def test_seconds_between_two_lives_are_no_gap(tmp_path: Path) -> None:
    """It was dead: the first life ends with its last reading, though that is seen when the next one answers."""
    far = Far(6000.0, away=range(LOAD_AT + 80, LOAD_AT + 92), restarted=True)
    run = recorded(tmp_path / "run", far)
    [arm] = read_recording(run).arms
    assert [(life.number, life.ended_by) for life in arm.lives] == [(1, "unknown"), (2, None)]
    assert arm.lives[0].end_s == LOAD_AT + 79
    [found] = judged_run(read_recording(run)).verdicts
    assert found.verdict == "leak", found.reason


def test_several_processes_at_its_address_leave_it_inconclusive(tmp_path: Path) -> None:
    [found] = judged(tmp_path / "run", Far(6000.0, unsampled=True)).verdicts
    assert found.verdict == "inconclusive"
    assert found.reason.startswith(
        "several processes answer at its url, of which all but one were not sampled"
    )


def test_the_report_marks_it_as_its_own_word(tmp_path: Path) -> None:
    """Beside its verdict, in the meaning of the mark, in a note, and in how it was decided."""
    contents = report_contents(read_recording(recorded(tmp_path / "run", Far(6000.0))))
    page = report_html(contents, (), dict.fromkeys(ALTS, '<svg viewBox="0 0 1 1"></svg>'))
    assert '<strong>prod</strong> <a class="own-word" href="#own-word"' in page
    assert "Of an arm with †, which ran elsewhere" in page
    [note] = contents.recording.arms[0].notes
    assert note.startswith(f"it ran elsewhere, at {URL}: memory, CPU and descriptors are its own word")
    assert "that of prod from its own metrics, which are its own word" in decided(contents)[0]
