from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.commands.sites import command
from analysis.recording.read import read_recording
from analysis.recording.replay import Site, read_replay
from analysis.report.site_lines import why_no_lines
from analysis.report.write import make_report
from analysis.sites.found import arm_sites
from analysis.verdict.arm import arm_verdict
from soak.contract import SITES, traces_file
from soak.errors import HarnessError, UsageError
from tests.support.planted_replay import EACH, SITE, add_replay, write_points, write_sites, write_traces

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")
REQUESTS = [EACH * point for point in range(1, 7)]
APP = ("/srv/app.py", 2)
LEAKS = {(APP, ("/srv/main.py", 9)): (4_096, 2.0), (("/srv/healthy.py", 3),): (500, 0.0)}


@pytest.fixture
def replayed(build_run: Build, tmp_path: Path) -> Path:
    """A run whose leaky arm was replayed, with its traces in raw/ and its sources below root/."""
    run_dir, raw, srv = build_run(incident=False), tmp_path / "raw", tmp_path / "root/srv"
    raw.mkdir()
    srv.mkdir(parents=True)
    (srv / "app.py").write_text("import ujson\nreturn ujson.loads(DOCUMENT)\n")
    write_points(run_dir / "leaky", REQUESTS)
    write_traces(raw, REQUESTS, LEAKS)
    return run_dir


def found(run_dir: Path, tmp_path: Path, arm: str = "leaky") -> tuple[Site, ...]:
    command(run_dir, arm, tmp_path / "raw", "python", tmp_path / "root")
    return read_replay(run_dir / arm).sites


def test_the_site_of_a_leak_is_written(replayed: Path, tmp_path: Path) -> None:
    """With line, rates and share; the source is left out, as the file is newer than the run."""
    (site,) = found(replayed, tmp_path)
    assert (site.your_line, site.source, site.in_line) == ("/srv/app.py:2", "", "")
    assert (site.bytes_per_request, site.low, site.high) == pytest.approx((8_192.0, 8_192.0, 8_192.0))
    assert site.blocks_per_request == pytest.approx(2.0)
    assert site.share is not None
    assert site.share > 0
    assert site.frames == "/srv/app.py:2 < /srv/main.py:9"


def test_what_grows_in_the_replay_of_a_healthy_arm_is_no_site(replayed: Path, tmp_path: Path) -> None:
    """A line that keeps 8,192 B of each request in the replay of an arm that is NO LEAK: a cache that was filling."""
    write_points(replayed / "fixed", REQUESTS)
    assert found(replayed, tmp_path, "fixed") == ()
    add_replay(replayed, "fixed")
    recording = read_recording(replayed, whole=False)
    (sites,) = arm_sites(recording, [arm_verdict(recording, arm) for arm in recording.arms])
    assert (sites.arm, why_no_lines(sites)) == (
        "fixed",
        "the run has no leak: what grows in the replay is below its bound, or fills up",
    )


def test_a_second_pass_keeps_the_rows_of_the_first(replayed: Path, tmp_path: Path) -> None:
    """And a pass that is repeated replaces its own."""
    native = replace(SITE, of_pass="native", function="JSON_DecodeObject")
    write_sites(replayed / "leaky", [SITE, native])
    assert [(site.of_pass, site.your_line) for site in found(replayed, tmp_path)] == [
        ("native", "gateway/app.py:130"),
        ("python", "/srv/app.py:2"),
    ]


def test_what_cannot_be_done_is_refused_with_its_reason(replayed: Path, tmp_path: Path) -> None:
    """Too few points, damaged traces, no such arm: one sentence, and nothing is written."""
    traces_file(tmp_path / "raw", 3, 0).write_bytes(b"[")
    with pytest.raises(HarnessError, match=r"point-3\.0\.traces: not as the probe writes it"):
        found(replayed, tmp_path)
    write_points(replayed / "leaky", REQUESTS[:3])
    with pytest.raises(HarnessError, match="3 points of the pass python, 4 are needed"):
        found(replayed, tmp_path)
    with pytest.raises(UsageError, match="no arm 'other' was recorded"):
        found(replayed, tmp_path, "other")
    assert not (replayed / "leaky" / SITES).exists()


def decided(run_dir: Path) -> tuple[int, Any]:
    """Make the report; return its exit code and its reasons."""
    exit_code = make_report(run_dir).exit_code
    return exit_code, json.loads((run_dir / "report" / "summary.json").read_text())["reasons"]


@pytest.mark.usefixtures("no_drawing")
def test_sites_change_no_verdict_and_no_exit_code(replayed: Path, tmp_path: Path) -> None:
    """A replay is no evidence: with its sites, damaged or not, the report decides what it decided before."""
    before = decided(replayed)
    found(replayed, tmp_path)
    assert decided(replayed) == before
    (replayed / "leaky" / SITES).write_bytes(b"damaged")
    assert decided(replayed) == before
