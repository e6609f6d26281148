"""What the tests of the analysis share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest
from matplotlib.figure import Figure

from analysis.judge.types import Judgement
from tests.support.planted_incident import Build, Planted, write_incident
from tests.support.planted_judge import planted_judge

JudgeBy = Callable[[Callable[..., Judgement]], None]


@pytest.fixture
def build_run(tmp_path: Path) -> Build:
    """A function that writes a run directory from the fields of Planted and returns it."""

    def build(**truth: Any) -> Path:
        return write_incident(tmp_path / "planted", Planted(**truth))

    return build


@pytest.fixture
def judge_by(monkeypatch: pytest.MonkeyPatch) -> JudgeBy:
    """A function that sets what judges the signals of every recording."""

    def judge_by(judge: Callable[..., Judgement]) -> None:
        for module in ("decision", "injected", "processes"):
            monkeypatch.setattr(f"analysis.verdict.{module}.judge_signal", judge)

    return judge_by


@pytest.fixture
def planted_verdicts(judge_by: JudgeBy) -> None:
    """Signals are judged by what can be calculated by hand, instead of by the real judge."""
    judge_by(planted_judge)


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made, but empty when drawn, which takes most of the time of a report: its words are tested."""

    def savefig(_: Figure, target: IO[Any], *, format: str, **_options: object) -> None:  # noqa: A002 - matplotlib's
        target.write('<svg viewBox="0 0 1 1"></svg>' if format == "svg" else b"")

    monkeypatch.setattr(Figure, "savefig", savefig)
