"""A real Prometheus scrapes a run, and an alert fires."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.monitoring import prometheus
from tests.support.ports import free_port

RULES = Path(__file__).parents[2] / "docs" / "monitoring" / "soakproof.rules.yml"
PATIENCE_S = 60.0

PROFILE = """
about = "two gateways, long enough for an alert"
[phases]
idle_s = 2
warmup_s = 8
load_s = 120
drain_s = 1
quiesce_s = 1
[limit]
memory = "512 MiB"
[stubs]
[traffic]
rate_rps = 100
request_bytes = 15000
[arms.leaky]
role = "before"
command = ["{python}", "-m", "gateway", "--variant", "leaky", "--port", "{port}", "--upstreams", "{upstreams}"]
[arms.fixed]
role = "after"
command = ["{python}", "-m", "gateway", "--variant", "fixed", "--port", "{port}", "--upstreams", "{upstreams}"]
"""

CONFIG = """
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs:
  - job_name: soak
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""

pytestmark = pytest.mark.integration


@contextmanager
def running(argv: list[str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the end of the block."""
    with log.open("wb") as output, subprocess.Popen(argv, stdout=output, stderr=output) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()


def firing(port: int) -> set[tuple[str, str]]:
    """Return the alerts that fire, with their arms; none while Prometheus is not up."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/alerts", timeout=5) as answer:
            alerts = json.load(answer)["data"]["alerts"]
    except OSError:
        return set()
    return {(one["labels"]["alertname"], one["labels"]["arm"]) for one in alerts if one["state"] == "firing"}


def test_a_leak_fires_the_growth_alert_and_the_repaired_build_does_not(tmp_path: Path) -> None:
    """The published rules, with hours made seconds: 1 MB/s over ten seconds, as an hour's leak is in hours."""
    program, metrics_port, port = prometheus(), free_port(), free_port()
    rules = (
        RULES.read_text()
        .replace("[1h]", "[15s]")
        .replace("offset 1h", "offset 15s")
        .replace("for: 30m", "for: 5s")
    )
    limit = "> 16777216"
    assert limit in rules
    (tmp_path / "rules.yml").write_text(rules.replace(limit, "> 3600000000"))
    (tmp_path / "prometheus.yml").write_text(CONFIG.format(port=metrics_port))
    (tmp_path / "run.toml").write_text(PROFILE)
    soak = [sys.executable, "-m", "soak", "run", str(tmp_path / "run.toml"), "--runs", str(tmp_path / "runs")]
    server = [
        program,
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    seen: set[tuple[str, str]] = set()
    with (
        running([*soak, "--metrics-port", str(metrics_port)], tmp_path / "soak.log") as run,
        running(server, tmp_path / "prometheus.log"),
    ):
        until_s = time.monotonic() + PATIENCE_S
        while ("MemoryGrows", "leaky") not in seen:
            assert run.poll() is None, (tmp_path / "soak.log").read_text()
            assert time.monotonic() < until_s, (tmp_path / "prometheus.log").read_text()[-2000:]
            time.sleep(0.5)  # Prometheus offers no event to await
            seen |= firing(port)
    assert ("MemoryGrows", "fixed") not in seen
    assert run.returncode == 4, (tmp_path / "soak.log").read_text()  # cut short by us
