"""An app of five endpoints of which two leak, soaked from a profile without a locustfile: both are named with lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import HERE, Soak, soak_until

pytestmark = pytest.mark.integration

PROFILE = f"""
[phases]
idle_s = 0.5
warmup_s = 1.5
load_s = 13.5
drain_s = 0.5
quiesce_s = 0.5
[sampling]
every_s = 0.5
census_every_s = 0
quiesce_every_s = 1.5
quiesce_pause_s = 0.4
[traffic]
rate_rps = 120
warmup_rps = 100
[judge]
max_leak = "20 B/request"
[replay]
seconds = 18
native = "off"
[[traffic.requests]]
name = "add"
method = "POST"
path = "/items"
body = {{ id = "{{uuid}}" }}
[[traffic.requests]]
name = "find"
path = "/items"
query = {{ q = "{{choice:a b|c}}" }}
[[traffic.requests]]
name = "change"
method = "PUT"
path = "/items/{{n}}"
body = "text of {{service}}"
[[traffic.requests]]
name = "remove"
method = "DELETE"
path = "/items/{{n}}"
[[traffic.requests]]
name = "feed"
method = "WEBSOCKET"
path = "/feed"
body = "message {{n}}"
open_s = 0.1
echo = true
[arms.leaky]
role = "before"
command = ["{{python}}", "-m", "uvicorn", "leaky_shop:app", "--port", "{{port}}", "--log-level", "warning"]
cwd = "{HERE}"
env = {{ LEAKS = "add=500 remove=80" }}
[arms.healthy]
role = "after"
command = ["{{python}}", "-m", "uvicorn", "leaky_shop:app", "--port", "{{port}}", "--log-level", "warning"]
cwd = "{HERE}"
"""


def test_the_leaking_of_five_endpoints_are_named_with_their_lines(tmp_path: Path) -> None:
    """The one that keeps 500 B of each request, and the one that keeps 80 B; of the healthy arm there is no story."""
    profile, runs = tmp_path / "five.toml", tmp_path / "runs"
    profile.write_text(PROFILE)
    soak = soak_until(_decided, profile, runs)
    assert soak.code in (0, 3, 4), soak.stderr
    summary = json.loads((soak.directory / "report" / "summary.json").read_text())
    assert [story["arm"] for story in summary["story"]] == ["leaky"], soak.stdout
    steps = {step["question"]: step for step in summary["story"][0]["steps"]}
    lines = (HERE / "leaky_shop.py").read_text().splitlines()
    kept = [
        (f"leaky_shop.py:{number}", code)
        for number, line in enumerate(lines, 1)
        if (code := line.strip()).startswith(("added.append(", "removed.append("))
    ]
    allocated = [(line["text"].partition(": ")[0], line["code"]) for line in steps["allocated_at"]["lines"]]
    assert allocated == kept, steps["allocated_at"]
    endpoints = [line["text"].split()[0] for line in steps["endpoint"]["lines"]]
    assert sorted(endpoints) == ["add", "remove"], steps["endpoint"]
    assert steps["since"]["known"], steps["since"]
    assert soak.running() == []


def _decided(soak: Soak) -> bool:
    """Return whether the arm that leaks was judged, and its replay had points enough to answer."""
    summary = json.loads((soak.directory / "report" / "summary.json").read_text())
    verdict = next(one["verdict"] for one in summary["verdicts"] if one["arm"] == "leaky")
    steps = [step for story in summary["story"] for step in story["steps"]]
    asked = ("allocated_at", "endpoint", "since")
    return verdict != "inconclusive" and all(step["known"] for step in steps if step["question"] in asked)
