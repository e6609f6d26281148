from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.judge.types import INCONCLUSIVE, LEAK, Judgement, Margin, SignalSeries, Verdict
from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.explanation import decided
from tests.support.planted_judge import planted_judge
from tests.unit.analysis.conftest import JudgeBy

Build = Callable[..., Path]


def sessions_leak(readings: SignalSeries, margin: Margin, **settings: Any) -> Judgement:
    """A judge that calls open sessions a leak, and leaves all else open."""
    verdict: Verdict = LEAK if readings.signal == "sessions_open" else INCONCLUSIVE
    return replace(planted_judge(readings, margin, **settings), verdict=verdict)


def test_objects_are_held_against_a_margin_of_objects(build_run: Build, judge_by: JudgeBy) -> None:
    """Sessions against bytes would say nothing; and what was left open is not said to be healthy."""
    judge_by(sessions_leak)
    paragraph = decided(report_contents(read_recording(build_run())))[1]
    assert paragraph.startswith("leaky is judged by open sessions. The trend is 0.025 open sessions/request")
    assert (
        "The margin, the smallest leak that matters, is 0.00071 open sessions/request (what a pool may gain, or "
        "meets its limit within 30 days). "
    ) in paragraph
    assert "Also leaking: none." in paragraph
