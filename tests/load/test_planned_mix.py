"""Five endpoints and three bad clients, soaked from a profile without a locustfile."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from soak.contract import FAILURE_KINDS, Traffic, TrafficRequest
from soak.errors import EXIT_USAGE
from tests.support.rogue_server import HOSTILE

from .conftest import HERE, finish, start_soak
from .locust_processes import PATIENCE_S, log_of, rows_of, start_load, start_locust, total_of
from .test_rogue_answers import MEMORY_MIB, peaks_mib, with_rogue_servers

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
        loaded = [row for row in rows if row["phase"] == "load"]
        waited_s = float(rows[-1]["t_s"]) - float(loaded[-1]["t_s"])
        assert waited_s < 3, "the end of the load waited for a bad client"  # until its network_timeout_s
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


def test_bad_clients_of_a_hostile_service_cost_the_other_arm_nothing(
    processes: ExitStack, traffic: Traffic
) -> None:
    """With every hostile answer the healthy arm gets its requests in time, and the load ends when it is over."""
    clients: tuple[Literal["abort", "slow", "half"], ...] = ("abort", "slow", "half")
    bad = (
        TrafficRequest(name=client, method="POST", path="/{service}", body="{payload}", client=client)
        for client in clients
    )
    traffic = replace(
        with_rogue_servers(processes, traffic),
        requests=(TrafficRequest(name="good", method="GET", path="/good", weight=7.0), *bad),
        services=HOSTILE,
        instances_live=len(HOSTILE),
        rate_rps=50.0,
        users_per_arm=50,
        load_s=4.0,
        network_timeout_s=2.0,
    )
    locust = start_locust(processes, traffic)
    with peaks_mib([locust]) as peaks:
        start_s = start_load(locust, traffic)
        assert locust.wait(PATIENCE_S) == 0
    for arm in ("leaky", "fixed"):
        rows = rows_of(traffic, arm)
        assert total_of(rows, "planned") == total_of(rows, "sent") == total_of(rows, "ok") == 210
        assert float(rows[-1]["t_s"]) <= start_s + traffic.warmup_s + traffic.load_s + 2
        assert max(float(row["latency_max_ms"] or 0) for row in rows) < 1000
    assert peaks[0] < MEMORY_MIB
    assert "Traceback" not in log_of(traffic)


def test_a_process_of_locust_without_the_variable_ends_with_its_name(
    processes: ExitStack, traffic: Traffic
) -> None:
    """Exit code 2 and one line, before a request is sent: a worker's machine may lack what the run's has."""
    Path(traffic.out_dir, "only").mkdir()
    request = TrafficRequest(name="a", method="GET", path="/", headers={"X-Token": "{env:SOAK_NOT_SET}"})
    traffic = replace(traffic, arms={"only": "http://127.0.0.1:9"}, requests=(request,))
    locust = start_locust(processes, traffic)
    assert locust.wait(PATIENCE_S) == EXIT_USAGE
    assert "traffic.requests: the environment variable SOAK_NOT_SET is not set or empty" in log_of(traffic)
    assert "Traceback" not in log_of(traffic)
