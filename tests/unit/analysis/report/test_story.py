"""The story of a leak: each step known or with its reason, from whole recordings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.growth.arm import find_growth
from analysis.growth.by_endpoint import EndpointGrowth
from analysis.judge.by_name import GrowthByName
from analysis.recording.read import read_recording
from analysis.recording.replay import ReplayFiles, Site, sites_csv
from analysis.report.story import LeakStory, _endpoint, leak_stories
from analysis.sites.found import arm_sites
from analysis.verdict.run import judged_run
from soak.contract import REPLAY, REPLAY_COLUMNS, SITES, names
from tests.support.planted_heap import FOUR_LEAKS, write_heap

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")

SITE = Site(
    of_pass="python",
    rank=1,
    your_line="gateway/app.py:130",
    source="history.append(await request.json())",
    in_line="",
    allocated_line="gateway/app.py:130",
    task="",
    function="",
    bytes_per_request=15_176.0,
    low=15_170.0,
    high=15_182.0,
    blocks_per_request=12.0,
    share=0.87,
    endpoint="",
    frames="gateway/app.py:130",
)


def stories(run_dir: Path) -> tuple[LeakStory, ...]:
    """Return the stories of a recording."""
    recording = read_recording(run_dir)
    judged = judged_run(recording)
    growth = find_growth(recording, judged.verdicts)
    return leak_stories(recording, judged.arms, growth, arm_sites(recording, judged.verdicts))


def told(run_dir: Path, **manifest: Any) -> dict[str, str]:
    """Return the steps of the story of the arm that leaks, by question, with keys of the manifest replaced."""
    path = run_dir / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **manifest}))
    (story,) = stories(run_dir)
    assert story.arm == "leaky"
    return {step.question: step.text for step in story.steps}


def test_the_story_of_a_leak(build_run: Build) -> None:
    """What grew, who retains it, the only endpoint, and that it has grown since the load began.

    The arm that does not leak has none.
    """
    run_dir = build_run(kill_hour=None)
    write_heap(run_dir / "leaky", FOUR_LEAKS)
    steps = told(run_dir, config={"traffic": {"path": "/api/{service}"}})
    assert list(steps) == ["grew", "retained_by", "allocated_at", "endpoint", "since"]
    assert steps["grew"].startswith("native memory ")
    assert steps["retained_by"].startswith(
        "…gateway.request_history: unbounded cache or list, 1.00 items/request, "
    )
    assert steps["allocated_at"] == "not known: the arm was not replayed"
    assert steps["endpoint"] == "POST /api/{service}, the only kind of request"
    assert re.fullmatch("the first ([1-9]|1[0-9]) s of the load", steps["since"])


def test_what_is_not_known_has_its_reason(build_run: Build) -> None:
    """No census, a refused replay, a constant mix."""
    kinds = [{"method": "GET", "path": f"/{name}"} for name in "ab"]
    refused = {"status": "refused", "reason": "the arm has no probe", "seconds": 0, "requests": 0}
    steps = told(build_run(), config={"traffic": {"requests": kinds}}, replay={"leaky": refused})
    assert steps["retained_by"] == "not known: no heap census was taken under load"
    assert steps["allocated_at"] == "not known: the arm has no probe"
    assert (
        steps["endpoint"]
        == 'not known: the mix of requests is constant; traffic.mix = "rotate" tells endpoints apart'
    )


def test_lines_and_endpoints_of_a_replay(build_run: Build) -> None:
    """The line with its text, rate, interval and share, of the pass that explains most; the endpoint by the replay."""
    run_dir = build_run()
    native = SITE.__class__(
        **{name: getattr(SITE, name) for name in Site.__dataclass_fields__}
        | {"of_pass": "native", "low": None, "high": None, "function": "upb_Arena", "in_line": "a/b.py:3"}
        | {"bytes_per_request": 90.0, "blocks_per_request": 2.0, "share": None, "endpoint": "add"}
    )
    (run_dir / "leaky" / SITES).write_text(sites_csv((native, SITE)))
    kinds = [{"method": "GET", "path": f"/{name}"} for name in "ab"]
    steps = told(run_dir, config={"traffic": {"requests": kinds}})
    assert steps["allocated_at"] == (
        "gateway/app.py:130: 14.8 KiB/request (14.81 KiB to 14.83 KiB, 95%), 12.00 blocks, 87% of the leak"
    )
    assert steps["endpoint"] == "add at gateway/app.py:130, by the replay"
    (story,) = stories(run_dir)
    allocated = next(step for step in story.steps if step.question == "allocated_at")
    assert allocated.lines[0].code == "history.append(await request.json())"
    assert story.known_text.startswith("Allocated at: gateway/app.py:130: 14.8 KiB/request")


@pytest.mark.parametrize(
    ("points", "reason"),
    [
        (6, "the replay had 5 periods, 6 are needed: raise replay.seconds"),
        (7, 'the mix of requests is constant; traffic.mix = "rotate" tells endpoints apart'),
    ],
)
def test_a_replay_of_few_points_states_how_many_are_needed(
    build_run: Build, points: int, reason: str
) -> None:
    """Each name is told apart from all others in six periods; a point without requests begins none."""
    run_dir = build_run()
    (run_dir / "leaky" / SITES).write_text(sites_csv((SITE,)))
    rows = [f'python,{n},{n},{100 * n},"{{""a"": {50 * n}, ""b"": {50 * n}}}",1,1' for n in range(points + 1)]
    (run_dir / "leaky" / REPLAY).write_text("\n".join([",".join(names(REPLAY_COLUMNS)), *rows, ""]))
    kinds = [{"method": "GET", "path": f"/{name}"} for name in "ab"]
    steps = told(run_dir, config={"traffic": {"requests": kinds}})
    assert steps["endpoint"] == f"not known: {reason}"


def test_what_grows_alike_hides_no_endpoint_of_the_replay() -> None:
    """The run measured growth per request of every name; the replay counted the blocks of one line."""
    alike = EndpointGrowth(GrowthByName(alike=True), GrowthByName())
    for sites, text in (
        ((), "every request alike: code that all share, or growth with time"),
        (
            (replace(SITE, endpoint="add"),),
            "every request alike: code that all share, or growth with time; add at gateway/app.py:130, by the replay",
        ),
    ):
        assert _endpoint(alike, ReplayFiles(sites=sites), "").text == text


def test_a_run_without_a_load_has_no_story(build_run: Build) -> None:
    """There is no leak to tell of."""
    assert stories(build_run(end_s=15.0, status="running")) == ()
