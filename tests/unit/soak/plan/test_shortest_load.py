"""The shortest load that can clear an arm is known before the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from soak.config.load import load_profile
from soak.config.profile import Profile
from soak.config.template import TRIAL, trial_command, write_profile
from soak.plan.run_plan import plan_run
from soak.plan.shortest_load import TOO_SHORT, shortest_load
from tests.support.paths import ROOT

PER_REQUEST = (
    "judge.max_leak=200 B/request",
    "traffic.rate_rps=50",
    "traffic.shape=steady",
    "phases.load_s=180",
)


def release(*settings: str) -> Profile:
    return load_profile("release", settings)


def test_a_margin_per_request_needs_so_many_requests_that_the_reserve_is_below_it() -> None:
    """1 MiB over 5,243 requests is 200 B each; at 50 requests per second that takes 105 s."""
    found = shortest_load(release(*PER_REQUEST))
    assert (found.requests, found.too_short) == (5243, False)
    assert found.load_s == pytest.approx(2**20 / 200 / 50)
    assert str(found) == (
        "shortest load that can clear: 1:45 (5,243 requests) at a reserve of 1 MiB; planned 3:00"
    )


def test_a_margin_per_time_needs_so_much_time() -> None:
    """1 MiB/h takes an hour, whatever the requests are."""
    found = shortest_load(release("phases.load_s=1800"))
    assert str(found) == "shortest load that can clear: 1:00:00 at a reserve of 1 MiB; planned 30:00"
    assert found.too_short


def test_a_time_to_oom_is_a_margin_of_the_limit_over_that_time() -> None:
    """The memory in use makes the margin smaller still, so the load is a lower bound."""
    table = release().judge.model_copy(update={"max_leak": None, "min_time_to_oom": 30 * 86400.0})
    profile = release("limit.memory=1 GiB").model_copy(update={"judge": table})
    assert shortest_load(profile).load_s == pytest.approx(30 * 86400 / 1024)
    lines = plan_run(profile, Path("RUN"), Path("PROBE")).describe().splitlines()
    assert lines[4].startswith(
        "judge    margin 1024 MiB in 720 h; shortest load that can clear: 42:12 at a reserve"
    )


@pytest.mark.parametrize("shape", ["steps", "incident"])
def test_where_the_mean_rate_is_not_a_key_only_the_requests_are_stated(shape: str) -> None:
    """Steps and incident solve their rates; no warning is given then."""
    profile = load_profile("demo", [f"traffic.shape={shape}"])
    found = shortest_load(profile)
    assert (found.load_s, found.too_short) == (None, False)
    assert str(found).startswith(
        "shortest load that can clear: 5,243 requests at a reserve of 1 MiB; planned 3:00"
    )


def test_a_large_margin_still_needs_the_points_that_the_judge_requires() -> None:
    """Six quiesce points, the last one of the warm-up among them; without any, twelve readings."""
    large = ("judge.max_leak=1 MiB/request", "traffic.shape=steady")
    points = ("sampling.quiesce_every_s=10", "phases.warmup_s=60")
    assert shortest_load(release(*large, *points)).load_s == 50
    assert shortest_load(release(*large, *points[:1], "phases.warmup_s=5")).load_s == 55
    assert shortest_load(release(*large, "sampling.every_s=2")).load_s == 24


@pytest.mark.parametrize(("load_s", "warned"), [(104, True), (105, False)])
def test_the_plan_warns_where_the_planned_load_is_shorter(load_s: int, warned: bool) -> None:
    """In a line of its own."""
    profile = release(*PER_REQUEST, f"phases.load_s={load_s}")
    text = plan_run(profile, Path("RUN"), Path("PROBE")).describe()
    assert (f"warning  {TOO_SHORT}" in text.splitlines()) == warned


def test_there_is_one_trial_and_it_can_decide(tmp_path: Path) -> None:
    """`soak init` prints the command of the tutorial, and its load is long enough."""
    path = tmp_path / "soak.toml"
    write_profile(path)
    assert not shortest_load(load_profile(str(path), TRIAL)).too_short
    assert trial_command(Path("soak.toml")) in (ROOT / "docs" / "tutorial.md").read_text()
