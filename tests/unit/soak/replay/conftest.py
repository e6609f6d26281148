"""The plan of a pass of an arm of the demo."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.plan.run_plan import RunPlan, plan_run
from soak.replay.passes import python_pass
from soak.replay.plan import PassPlan, plan_pass


@pytest.fixture
def run_plan(tmp_path: Path) -> RunPlan:
    """The demo, in a run directory that is there."""
    (tmp_path / "run" / "leaky").mkdir(parents=True)
    (tmp_path / "private").mkdir()
    return plan_run(load_profile("demo"), tmp_path / "run", tmp_path / "private")


@pytest.fixture
def plan(run_plan: RunPlan, tmp_path: Path) -> PassPlan:
    """The first pass of its leaky arm."""
    one = python_pass(run_plan.profile.replay)
    return plan_pass(run_plan, run_plan.arms[0], one, tmp_path / "private", 64 << 30)
