"""A whole run with the injected control: a copy of a server with workers, whose probes keep what is asked for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from .conftest import HERE, Soak, finish, start_soak

pytestmark = pytest.mark.integration

PROFILE = f"""
[phases]
idle_s = 1
warmup_s = 4
load_s = 20
drain_s = 1
quiesce_s = 1
[sampling]
quiesce_every_s = 2
quiesce_pause_s = 0.8
[traffic]
rate_rps = 60
[judge]
max_leak = "1000 B/request"
control = "inject"
inject = {{ python = 2, native = 2, mmap = 2 }}
[replay]
seconds = 0
[arms.app]
command = [
    "{{python}}", "-m", "uvicorn", "starlette_app:app", "--port", "{{port}}", "--workers", "2", "--log-level", "error",
]
cwd = "{HERE}"
"""
RATE = 6000.0
"""Bytes that are injected per request, of all kinds together."""


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Soak:
    """A run of one build and its copy."""
    directory = tmp_path_factory.mktemp("controlled")
    profile = directory / "controlled.toml"
    profile.write_text(PROFILE)
    return finish(start_soak(profile, directory / "runs"), directory / "runs")


def answered(soak: Soak, arm: str) -> int:
    return sum(int(row["ok"]) for row in soak.rows(f"{arm}/requests.csv"))


def held(directory: Path) -> dict[str, int]:
    """Return what the manifest states of the copy's injected bytes, by kind."""
    manifest = json.loads((directory / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    found = manifest["injected_bytes"]["app.leak"]
    assert isinstance(found, dict)
    return found


def test_the_copy_gets_the_same_load_and_a_port_of_its_own(controlled: Soak) -> None:
    """Every planned request is sent to both."""
    assert controlled.code in (0, 3, 4)  # twenty seconds decide little
    assert answered(controlled, "app.leak") == answered(controlled, "app") > 1000
    argv = json.loads((controlled.directory / "manifest.json").read_text())["processes"]
    ports = [one["argv"][5] for one in argv if one["name"] in ("app", "app.leak")]
    assert len(set(ports)) == 2


def test_the_workers_share_what_the_requests_leak(controlled: Soak) -> None:
    """In all processes together each kind has a third of the rate times all answers, to a piece for each process."""
    expected = RATE / 3 * answered(controlled, "app.leak")
    assert held(controlled.directory) == {
        kind: pytest.approx(expected, rel=0.01, abs=5 * 4096) for kind in ("python", "native", "mmap")
    }


def grown(soak: Soak, arm: str) -> int:
    """Return what anonymous memory of all processes gained between the first and the last quiesce point, bytes."""
    points: Counter[float] = Counter()
    for row in soak.rows(f"{arm}/samples.csv"):
        if row["rung"] == "point":
            points[float(row["t_s"])] += int(row["anon_bytes"])
    return points[max(points)] - points[min(points)]


def test_the_copy_grows_by_it_and_the_candidate_does_not(controlled: Soak) -> None:
    """Beside what both keep of each request."""
    injected = sum(held(controlled.directory).values())
    assert 0.5 * injected < grown(controlled, "app.leak") - grown(controlled, "app") < 1.5 * injected


def test_the_report_has_the_control(controlled: Soak) -> None:
    """Its line, and no row of the copy in the tables of the builds."""
    assert "app.leak (control): injected 5.9 KiB/request" in controlled.stdout
    summary = json.loads((controlled.directory / "report" / "summary.json").read_text())
    assert summary["control"]["injected_bytes"] == sum(held(controlled.directory).values())
    assert [one["name"] for one in summary["arms"]] == ["app"]
    assert controlled.running() == []
