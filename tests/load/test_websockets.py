"""WebSockets soaked from a profile without a locustfile: a leak per connection, workers, and hostile services."""

from __future__ import annotations

import json
import sys
from collections import Counter
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from soak.contract import FAILURE_KINDS, Traffic, TrafficRequest
from soak.errors import EXIT_INCONCLUSIVE
from tests.support.ports import free_port
from tests.support.rogue_websockets import HOSTILE

from .conftest import HERE, Soak, soak_until
from .locust_processes import (
    NEVER_LATE_S,
    PATIENCE_S,
    log_of,
    read_line,
    rows_of,
    start_load,
    start_locust,
    start_master,
    start_process,
    start_worker,
    total_of,
    wait_for,
)
from .test_rogue_answers import MEMORY_MIB, peaks_mib

pytestmark = pytest.mark.integration

BUFFER_BYTES = 20_000
PROFILE = f"""
about = "a WebSocket endpoint that keeps a buffer of each connection, beside its fix"
[phases]
idle_s = 1
warmup_s = 2
load_s = 14
drain_s = 1
quiesce_s = 1
[sampling]
census_every_s = 0
quiesce_every_s = 2
quiesce_pause_s = 0.5
[traffic]
rate_rps = 80
warmup_rps = 80
[[traffic.requests]]
name = "chat"
method = "WEBSOCKET"
path = "/chat"
body = {{ id = "{{uuid}}", text = "{{choice:hello|bye}}" }}
send_every_s = 0.1
open_s = 0.25
echo = true
weight = 4
[[traffic.requests]]
name = "vanish"
method = "WEBSOCKET"
path = "/chat"
body = "{{n}}"
open_s = 0.25
client = "abort"
[replay]
seconds = 8
native = "off"
[judge]
max_leak = "4 KiB/request"
[arms.leaky]
role = "before"
command = ["{{python}}", "-m", "uvicorn", "chat_app:app", "--port", "{{port}}", "--log-level", "warning"]
cwd = "{HERE}"
env = {{ LEAK = "1", BUFFER_BYTES = "{BUFFER_BYTES}" }}
[arms.fixed]
role = "after"
command = ["{{python}}", "-m", "uvicorn", "chat_app:app", "--port", "{{port}}", "--log-level", "warning"]
cwd = "{HERE}"
env = {{ BUFFER_BYTES = "{BUFFER_BYTES}" }}
"""


def test_a_leak_per_connection(tmp_path: Path) -> None:
    """Called LEAK with its bytes per connection and its line, and its fix NO LEAK; both arms get the same."""
    profile, runs = tmp_path / "chat.toml", tmp_path / "runs"
    profile.write_text(PROFILE)
    soak = soak_until(_decided, profile, runs)
    summary = json.loads((soak.directory / "report" / "summary.json").read_text())
    leaky, fixed = summary["verdicts"]
    assert [leaky["verdict"], fixed["verdict"]] == ["leak", "no_leak"], soak.stdout
    rates = {one["signal"]: one["per_request"] for one in leaky["signals"]}
    rate = rates[leaky["leading_signal"]]
    assert rate["value"] == pytest.approx(BUFFER_BYTES, rel=0.1)
    (story,) = summary["story"]
    (line,) = next(step["lines"] for step in story["steps"] if step["question"] == "allocated_at")
    assert (story["arm"], line["code"]) == ("leaky", "clients[number] = bytearray(BUFFER_BYTES)")
    totals = {}
    for arm in ("leaky", "fixed"):
        rows = soak.rows(f"{arm}/requests.csv")
        totals[arm] = {
            name: sum(int(row[name]) for row in rows)
            for name in ("planned", "sent", "missed", "ok", "opened", "messages_sent", "messages_received")
        }
        found = totals[arm]
        assert found["planned"] == found["sent"] == found["opened"] == found["ok"] == 16 * 80, found
        unanswered = found["messages_sent"] - found["messages_received"]
        assert 0 <= unanswered <= found["opened"] / 5, found  # those that vanish wait for no answer
        assert found["messages_received"] > 2 * found["opened"]
        assert any(float(row["round_trip_p99_ms"] or 0) for row in rows)
    assert soak.running() == []


def _decided(soak: Soak) -> bool:
    """Return whether all of the load was sent, both arms were judged, and the leak was replayed."""
    late = sum(int(row["missed"]) for arm in ("leaky", "fixed") for row in soak.rows(f"{arm}/requests.csv"))
    return soak.code != EXIT_INCONCLUSIVE and not late and soak.replayed("leaky")


def _chat(**keys: object) -> TrafficRequest:
    made = TrafficRequest(
        name="chat", method="WEBSOCKET", path="/chat", body="{uuid}", open_s=0.5, send_every_s=0.1, echo=True
    )
    return replace(made, **keys)  # type: ignore[arg-type]


def _with_chats(processes: ExitStack, traffic: Traffic) -> Traffic:
    """Start the app as both arms."""
    urls = {}
    for arm in ("leaky", "fixed"):
        Path(traffic.out_dir, arm).mkdir()
        port = free_port()
        command = [
            sys.executable,
            "-m",
            "uvicorn",
            "chat_app:app",
            "--port",
            str(port),
            "--log-level",
            "warning",
        ]
        start_process(processes, command, cwd=HERE)
        urls[arm] = f"http://127.0.0.1:{port}"
    for url in urls.values():
        wait_for(lambda url=url: _state(url))  # type: ignore[misc]
    return replace(traffic, arms=urls)


def _state(url: str) -> dict[str, Any]:
    """Return the clients that the app keeps and how connections ended; empty before it listens."""
    try:
        with urlopen(f"{url}/state", timeout=5) as answer:  # noqa: S310 - a URL of the test
            found: dict[str, Any] = json.load(answer)
    except OSError:
        return {}
    return found


def test_workers_hold_them_until_the_load_ends(processes: ExitStack, traffic: Traffic) -> None:
    """Two workers open what is planned; with the load all of them close, properly or by a reset, as planned."""
    kinds = (_chat(open_s=60.0), _chat(name="vanish", open_s=60.0, client="abort"))
    traffic = replace(
        _with_chats(processes, traffic),
        requests=kinds,
        rate_rps=20.0,
        load_s=2.0,
        users_per_arm=30,
        max_lateness_s=NEVER_LATE_S,
        network_timeout_s=5.0,
    )
    port = free_port()
    workers = [start_worker(processes, traffic, port) for _ in range(2)]
    master = start_master(processes, traffic, port, 2)
    start_s = start_load(master, traffic)
    assert master.wait(PATIENCE_S) == 0
    assert [worker.wait(PATIENCE_S) for worker in workers] == [0, 0]
    for arm, url in traffic.arms.items():
        rows = rows_of(traffic, arm)
        columns = ("planned", "sent", "opened", "ok")
        assert {column: total_of(rows, column) for column in columns} == dict.fromkeys(columns, 50)
        assert total_of(rows, "messages_sent") > 300
        assert float(rows[-1]["t_s"]) <= start_s + traffic.warmup_s + traffic.load_s + 3
        wait_for(lambda url=url: _state(url)["clients"] == 0)  # type: ignore[misc]
        names: Counter[str] = Counter()
        for row in rows:
            names.update(json.loads(row["sent_by_name"] or "{}"))
        ends = _state(url)["ends"]
        assert ends["1000"] == names["chat"] > 10
        assert sum(ends.values()) - ends["1000"] == names["vanish"] > 10
    assert "Traceback" not in log_of(traffic)


def test_a_service_that_refuses(processes: ExitStack, traffic: Traffic) -> None:
    """An endpoint that takes no WebSocket, and one that is no WebSocket, refuse; the status is in Locust's summary."""
    kinds = (_chat(name="forbidden", path="/forbidden"), _chat(name="state", path="/state"))
    traffic = replace(_with_chats(processes, traffic), requests=kinds, load_s=1.0)
    locust = start_locust(processes, traffic)
    start_load(locust, traffic)
    assert locust.wait(PATIENCE_S) == 0
    rows = rows_of(traffic, "fixed")
    assert total_of(rows, "planned") == total_of(rows, "failed_refused") == 70
    assert total_of(rows, "opened") == total_of(rows, "ok") == 0
    assert "refused: the upgrade was answered with status 403" in log_of(traffic)


def test_hostile_services_cost_the_other_arm_nothing(processes: ExitStack, traffic: Traffic) -> None:
    """With every hostile behaviour at once Locust's memory is bounded, and the healthy arm gets its connections."""
    urls = {}
    for arm, base in (("leaky", ""), ("fixed", "/good")):
        Path(traffic.out_dir, arm).mkdir()
        server = start_process(processes, [sys.executable, "-m", "tests.support.rogue_websockets"])
        urls[arm] = f"http://127.0.0.1:{read_line(server)}{base}"
    traffic = replace(
        traffic,
        arms=urls,
        requests=(_chat(path="/{service}", open_s=0.2),),
        services=HOSTILE,
        instances_live=len(HOSTILE),
        rate_rps=40.0,
        users_per_arm=50,
        load_s=4.0,
        network_timeout_s=2.0,
    )
    locust = start_locust(processes, traffic)
    with peaks_mib([locust]) as peaks:
        start_s = start_load(locust, traffic)
        assert locust.wait(PATIENCE_S) == 0
    good, hostile = rows_of(traffic, "fixed"), rows_of(traffic, "leaky")
    assert total_of(good, "planned") == total_of(hostile, "planned") == 170
    assert total_of(good, "ok") >= 0.99 * 170
    assert total_of(hostile, "sent", "missed") == 170
    failed = {kind: total_of(hostile, f"failed_{kind}") for kind in FAILURE_KINDS}
    assert total_of(hostile, "sent") == sum(failed.values()) + total_of(hostile, "ok")
    assert min(failed[kind] for kind in ("timeout", "reset", "refused", "too_large", "other")) > 0, failed
    assert float(good[-1]["t_s"]) <= start_s + traffic.warmup_s + traffic.load_s + 5
    assert max(float(row["latency_max_ms"] or 0) for row in good) < 1000
    assert peaks[0] < MEMORY_MIB
    assert "Traceback" not in log_of(traffic)
