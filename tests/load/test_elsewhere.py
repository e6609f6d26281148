"""Arms that somebody else runs, beside the same build as a command: their own metrics give the same verdict."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from soak.errors import EXIT_INCONCLUSIVE
from tests.support.ports import free_port

from .conftest import Soak, soak_until

pytestmark = pytest.mark.integration

PROFILE = """
phases = {{ idle_s = 1, warmup_s = 3, load_s = 14, drain_s = 1, quiesce_s = 1 }}
sampling = {{ census_every_s = 0 }}
stubs = {{ services = ["orders"] }}
traffic = {{ rate_rps = 60, warmup_rps = 250, request_bytes = 15000 }}
judge = {{ max_leak = "6000 B/request", control = "prod_leaky" }}
[arms.leaky]
role = "before"
command = [
    "{{python}}", "-m", "gateway", "--variant", "leaky", "--port", "{{port}}", "--upstreams", "{{upstreams}}",
]
[arms.prod_leaky]
url = "{leaky}"
[arms.prod_fixed]
role = "after"
url = "{fixed}"
"""


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[dict[str, psutil.Process]]:
    """Both gateways and their upstream, started by somebody else, by the URL of each."""
    upstream, leaky, fixed = free_port(), free_port(), free_port()
    commands = [["stubs", "--port", str(upstream), "--services", "orders"]] + [
        ["gateway", "--variant", variant, "--port", str(port), "--upstreams", f"orders=127.0.0.1:{upstream}"]
        for variant, port in (("leaky", leaky), ("fixed", fixed))
    ]
    with ExitStack() as stack:
        started = []
        for command in commands:
            process = subprocess.Popen([sys.executable, "-m", *command], stdout=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.kill)
            started.append(psutil.Process(process.pid))
        yield {f"http://127.0.0.1:{leaky}": started[1], f"http://127.0.0.1:{fixed}": started[2]}


@pytest.fixture(scope="module")
def soak(elsewhere: dict[str, psutil.Process], tmp_path_factory: pytest.TempPathFactory) -> Soak:
    """A run of a command and both of them."""
    directory = tmp_path_factory.mktemp("elsewhere")
    profile = directory / "elsewhere.toml"
    leaky, fixed = elsewhere
    profile.write_text(PROFILE.format(leaky=leaky, fixed=fixed))
    return soak_until(lambda soak: soak.code != EXIT_INCONCLUSIVE, profile, directory / "runs")


def test_leaks_are_called_and_the_fix_is_signed_off_by_metrics_alone(soak: Soak) -> None:
    assert soak.code == 0, soak.stdout + soak.stderr
    assert "prod_leaky: LEAK: " in soak.stdout
    assert "prod_fixed: NO LEAK: " in soak.stdout
    assert "SIGNED OFF: prod_fixed passed its gate; the leak in the control (prod_leaky)" in soak.stdout


def test_the_rate_is_that_of_the_same_build_here(soak: Soak) -> None:
    """Bytes per request by its own metrics, and those that are read in /proc, differ by 5% at most."""
    summary = json.loads((soak.directory / "report" / "summary.json").read_text())
    rates = {arm["name"]: arm["slopes"][0]["rss_bytes_per_request"]["value"] for arm in summary["arms"]}
    assert rates["prod_leaky"] == pytest.approx(rates["leaky"], rel=0.05)
    assert 15_000 < rates["prod_leaky"] < 20_000


def test_it_is_read_each_second_without_a_gap(soak: Soak) -> None:
    """In the columns of any other arm; what needs a process here is empty, and counts as nothing missed."""
    rows = [row for row in soak.rows("prod_leaky/samples.csv") if row["phase"] == "load"]
    assert len(rows) >= 13
    assert all(float(row["rss_bytes"]) > 10e6 and float(row["cpu_s"]) > 0 and row["fds"] for row in rows)
    assert {row["pid"] + row["uss_bytes"] + row["live_blocks"] for row in rows} == {""}
    missed = json.loads((soak.directory / "manifest.json").read_text())["missed_readings"]
    assert (missed["prod_leaky"], missed["prod_fixed"]) == ({}, {})


def test_it_goes_on_after_the_run(soak: Soak, elsewhere: dict[str, psutil.Process]) -> None:
    """It was neither stopped nor restarted: the run has no exit of it."""
    assert [row["arm"] for row in soak.events("exit") if row["arm"].startswith("prod")] == []
    for url, process in elsewhere.items():
        assert process.status() != psutil.STATUS_ZOMBIE
        assert urllib.request.urlopen(f"{url}/healthz", timeout=5).status == 200  # noqa: S310 - http, and ours
