from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.figures.trend_lines import ArmTrendLines, trend_lines

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")


def fits(run_dir: Path) -> list[ArmTrendLines | None]:
    """The lines of leaky and fixed."""
    findings = report_contents(read_recording(run_dir))
    arms, verdicts = findings.recording.arms, findings.judged.verdicts
    return [trend_lines(arm, one, findings.recording.load) for arm, one in zip(arms, verdicts, strict=True)]


def test_the_line_has_the_judges_rate_and_meets_the_middle_of_the_readings(build_run: Build) -> None:
    """34.8 kB for each of the 80 requests a second, and its band closes where the readings' mean lies."""
    leaky, fixed = fits(build_run())
    assert leaky is not None
    assert fixed is not None
    first = leaky.lives[0]
    per_s = np.ptp(first.value) / np.ptp(first.t_s)
    assert per_s == pytest.approx(34_800 * 80, rel=0.01)
    assert (first.high - first.low)[[0, -1]].tolist() != [0.0, 0.0]
    assert np.abs(first.high - first.low).argmin() in range(90, 110)
    assert leaky.text == "RSS; dotted: native memory, 34.0 KiB/request (33.98 KiB to 34.02 KiB, 95%)"
    assert fixed.text == "RSS; dotted: memory in use, below 99 B/request (95%)"


def test_a_life_has_a_line_of_its_own(build_run: Build) -> None:
    """A restart does not bend the line."""
    leaky, _ = fits(build_run(kill_hour=3.0))
    assert leaky is not None
    assert [round(float(life.t_s[0])) for life in leaky.lives] == [21, 114]


def test_a_life_of_few_readings_has_no_line(build_run: Build) -> None:
    """Three seconds under load say nothing of a slope."""
    leaky, _ = fits(build_run(kill_hour=5.9))
    assert leaky is not None
    assert len(leaky.lives) == 1


def test_without_a_load_or_a_rate_there_is_no_line(build_run: Build) -> None:
    """A run that never loaded draws its readings alone."""
    assert fits(build_run(end_s=15.0, status="running")) == [None, None]
