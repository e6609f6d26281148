"""Five endpoints and three bad clients, soaked from a profile without a locustfile."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from soak.contract import FAILURE_KINDS

from .conftest import HERE, finish, start_soak

pytestmark = pytest.mark.integration

TOKEN = "tok-5d1f0c7a"
"""What no file of a run may hold."""

PROFILE = """
[phases]
idle_s = 1
warmup_s = 1
load_s = 6
drain_s = 1
quiesce_s = 0.5
[sampling]
census_every_s = 0
quiesce_every_s = 4
quiesce_pause_s = 0.25
[traffic]
rate_rps = 40
warmup_rps = 20
network_timeout_s = 3
[[traffic.requests]]
name = "add"
method = "POST"
path = "/items"
body = { id = "{uuid}", color = "{choice:red|blue}" }
headers = { Authorization = "Bearer {env:SHOP_TOKEN}" }
weight = 4
[[traffic.requests]]
name = "find"
path = "/items"
query = { q = "{choice:a b|c}", n = "{n}" }
headers = { Authorization = "Bearer {env:SHOP_TOKEN}" }
weight = 4
[[traffic.requests]]
name = "change"
method = "PUT"
path = "/items/{n}"
body = "text of {service}"
headers = { Authorization = "Bearer {env:SHOP_TOKEN}" }
[[traffic.requests]]
name = "remove"
method = "DELETE"
path = "/items/{n}"
headers = { Authorization = "Bearer {env:SHOP_TOKEN}" }
[[traffic.requests]]
name = "follow"
path = "/events"
read_s = 0.2
[[traffic.requests]]
name = "vanish"
path = "/items"
client = "abort"
weight = 0.5
[[traffic.requests]]
name = "stall"
path = "/items"
client = "slow"
weight = 0.5
[[traffic.requests]]
name = "cut"
method = "POST"
path = "/items"
body = "{payload}"
client = "half"
weight = 0.5
"""
ARM = """
[arms.%s]
role = "%s"
command = ["{python}", "-m", "uvicorn", "shop_app:app", "--port", "{port}", "--log-level", "warning"]
cwd = "%s"
env = { LOG = "%s", EXPECTED = "%s" }
"""
GOOD = {"add", "find", "change", "remove", "follow"}
BAD = {"vanish", "stall", "cut"}


def test_a_mix_without_a_locustfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both arms get the same requests under their names, bad clients fail nothing, and the token is in no file."""
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    profile, runs = tmp_path / "mix.toml", tmp_path / "runs"
    logs = {arm: tmp_path / f"{arm}.log" for arm in ("old", "new")}
    arms = [ARM % (arm, role, HERE, logs[arm], TOKEN) for arm, role in (("old", "before"), ("new", "after"))]
    profile.write_text(PROFILE + "".join(arms))
    soak = finish(start_soak(profile, runs), runs)
    assert soak.code in (3, 4), soak.stderr  # too short to clear
    names: dict[str, Counter[str]] = {}
    for arm in logs:
        names[arm] = Counter()
        rows = soak.rows(f"{arm}/requests.csv")
        for row in rows:
            names[arm].update(json.loads(row["sent_by_name"] or "{}"))
        totals = {
            name: sum(int(row[name]) for row in rows)
            for name in ("planned", "sent", "missed", "ok", *(f"failed_{kind}" for kind in FAILURE_KINDS))
        }
        assert totals["planned"] == totals["sent"] == totals["ok"] == names[arm].total() == 260, totals
        assert float(rows[-1]["t_s"]) < 11, "the end of the load waited for a bad client"
        slowest_ms = max(float(row["latency_max_ms"] or 0) for row in rows)
        assert slowest_ms < 1000, "a bad client held up another request"
    assert names["old"] == names["new"]
    assert set(names["old"]) == GOOD | BAD
    received = {
        arm: [json.loads(line) for line in path.read_text().splitlines()] for arm, path in logs.items()
    }
    good = {
        arm: Counter((method, target, body) for method, target, body, authorized in found if authorized)
        for arm, found in received.items()
    }
    assert good["old"] == good["new"]
    assert good["old"].total() == sum(names["old"][name] for name in GOOD)
    assert sum(found[2] == "vanished" for found in received["old"]) == names["old"]["cut"]
    for path in soak.directory.resolve().rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes(), path
    assert soak.running() == []
