"""A slice of the calibration, small enough for every change; ``make calibrate`` has the whole."""

from __future__ import annotations

import pandas as pd
import pytest

from analysis.judge.types import LEAK, NO_LEAK
from tests.calibration.plan import ALONE, HEALTHY, LEAKY, PARTS, Task
from tests.calibration.score import CRASHED, score, table
from tests.calibration.simulator.kinds import HEALTHY_KINDS, LEAK_KINDS, OOM

FIRST_SEED = 2_000_000
SIZE = 5
EACH = {ALONE: 2, PARTS: 1}
"""Recordings of a kind; by parts each is four signals that are judged."""


@pytest.fixture(scope="module", params=[ALONE, PARTS])
def outcomes(request: pytest.FixtureRequest) -> pd.DataFrame:
    """Return what was judged by memory alone, and by its parts."""
    seeds, by = iter(range(FIRST_SEED, FIRST_SEED + 1000)), str(request.param)
    healthy = [
        Task(HEALTHY, kind, next(seeds), by=by, verdict_only=True)
        for kind in HEALTHY_KINDS
        for _ in range(EACH[by])
    ]
    leaky = [
        Task(LEAKY, kind, next(seeds), multiple=SIZE * (10 if kind == OOM else 1), by=by, verdict_only=True)
        for kind in LEAK_KINDS
        if by == ALONE or kind != OOM  # a leak that is repeatedly killed at its limit is one of memory alone
        for _ in range(EACH[by])
    ]
    return table([score(task) for task in healthy + leaky])


def test_no_leak_of_five_margins_is_passed(outcomes: pd.DataFrame) -> None:
    """No leak of five margins is signed off as healthy, whatever lies above it."""
    leaky = outcomes[outcomes["group"] == LEAKY]
    assert leaky.loc[leaky["verdict"] == NO_LEAK, ["kind", "seed"]].to_numpy().tolist() == []


def test_most_leaks_are_called(outcomes: pd.DataFrame) -> None:
    """Nearly every leak of five margins is called, where it can be told."""
    leaky = outcomes[(outcomes["group"] == LEAKY) & outcomes["decidable"]]
    assert (leaky["verdict"] == LEAK).mean() > 0.85


def test_healthy_services_are_rarely_called_leaking(outcomes: pd.DataFrame) -> None:
    """At most one healthy recording of this slice is called a leak.

    By parts most are signed off; by memory alone, whose steps need longer runs, one in five.
    """
    healthy = outcomes[(outcomes["group"] == HEALTHY) & outcomes["decidable"]]
    assert (healthy["verdict"] == LEAK).sum() <= 1
    assert (healthy["verdict"] == NO_LEAK).mean() > (0.5 if (healthy["by"] == PARTS).all() else 0.2)


def test_no_recording_crashes_the_judge(outcomes: pd.DataFrame) -> None:
    """Gaps, missing columns' cells and restarts are judged, not raised."""
    assert outcomes.loc[outcomes["verdict"] == CRASHED, ["kind", "seed"]].to_numpy().tolist() == []
