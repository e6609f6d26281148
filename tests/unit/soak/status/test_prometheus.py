"""What Prometheus scrapes, text for text."""

from __future__ import annotations

import re
import socket
import subprocess

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from rich.console import Console

from soak.contract import ArmLive
from soak.errors import UsageError
from soak.status.model import ArmStatus, RunStatus
from soak.status.prometheus import RunMetrics, serve_metrics
from soak.status.terminal import Progress
from tests.support.monitoring import promtool
from tests.support.paths import ROOT

MONITORING = ROOT / "docs" / "monitoring"

SAMPLE = {
    "rss_bytes": 64_626_688, "uss_bytes": 44_818_432, "fds": 17, "cpu_s": 0.43, "tasks_alive": 2, "loop_lag_ms": 1.5,
    "sessions_open": None, "gauges": {"cache_entries": 12, "history_entries": None, "queue": 3},
}  # fmt: skip
LIVE = ArmLive("leak", "so", rate_per_s=2000.5, low=1900.0, high=2100.0, oom_low_s=500.0)


def arm(name: str = "leaky", **fields: object) -> ArmStatus:
    known = {"life": 1, "oom_kills": 0, "up": True, "sample": SAMPLE, "requests": {"ok": 300, "planned": 306},
             "limit_bytes": 512 << 20}  # fmt: skip
    return ArmStatus(name=name, **{**known, **fields})  # type: ignore[arg-type]


def scraped(metrics: RunMetrics) -> list[str]:
    """Return the lines of a scrape, without help."""
    registry = CollectorRegistry()
    registry.register(metrics)
    return [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]


def shown(*arms: ArmStatus, phase: str = "load") -> list[str]:
    metrics = RunMetrics()
    metrics.show(RunStatus(phase, 61.0, 100.0, arms))
    return scraped(metrics)


def test_a_scrape_has_the_newest_sample_and_the_verdict_so_far() -> None:
    """Standard names where there are; what was not read is left out."""
    assert shown(arm(live=LIVE)) == """\
process_resident_memory_bytes{arm="leaky"} 6.4626688e+07
process_open_fds{arm="leaky"} 17.0
soak_uss_bytes{arm="leaky"} 4.4818432e+07
soak_tasks_alive{arm="leaky"} 2.0
soak_loop_lag_seconds{arm="leaky"} 0.0015
soak_gauge{arm="leaky",name="cache_entries"} 12.0
soak_gauge{arm="leaky",name="queue"} 3.0
process_cpu_seconds_total{arm="leaky"} 0.43
soak_oom_kills_total{arm="leaky"} 0.0
soak_up{arm="leaky"} 1.0
soak_life{arm="leaky"} 1.0
soak_memory_limit_bytes{arm="leaky"} 5.36870912e+08
soak_phase{phase="idle"} 0.0
soak_phase{phase="warm-up"} 0.0
soak_phase{phase="load"} 1.0
soak_phase{phase="drain"} 0.0
soak_phase{phase="quiesce"} 0.0
soak_requests_per_second{arm="leaky",outcome="planned"} 306.0
soak_requests_per_second{arm="leaky",outcome="ok"} 300.0
soak_verdict{arm="leaky",verdict="leak"} 1.0
soak_verdict{arm="leaky",verdict="no_leak"} 0.0
soak_verdict{arm="leaky",verdict="inconclusive"} 0.0
soak_leak_rate_bytes_per_second{arm="leaky"} 2000.5
soak_leak_rate_low_bytes_per_second{arm="leaky"} 1900.0
soak_leak_rate_high_bytes_per_second{arm="leaky"} 2100.0
soak_time_to_oom_seconds{arm="leaky"} 500.0""".splitlines()  # fmt: skip


def test_an_attached_process_is_loaded_and_nobody_counts_its_oom_kills() -> None:
    """The queries for the phase load hold for it, too."""
    lines = shown(arm(oom_kills=None), phase="attached")
    assert 'soak_phase{phase="load"} 1.0' in lines
    assert not [line for line in lines if line.startswith("soak_oom_kills")]


def test_a_target_that_is_down_has_no_memory() -> None:
    """It has not 0 bytes of it; that it is down, and how often it was killed, is told."""
    lines = shown(arm(up=False, oom_kills=2, limit_bytes=None))
    assert 'soak_up{arm="leaky"} 0.0' in lines
    assert 'soak_oom_kills_total{arm="leaky"} 2.0' in lines
    assert not [line for line in lines if re.match("process_|soak_uss|soak_gauge|soak_memory_limit", line)]


def test_uss_that_is_read_less_often_stays_until_the_process_does_not() -> None:
    """A scrape between two readings sees the last one; another life has none yet."""
    metrics = RunMetrics()
    without = {**SAMPLE, "uss_bytes": None}
    seen = []
    for one in (arm(), arm(sample=without), arm(life=2, sample=without)):
        metrics.show(RunStatus("load", 61.0, None, [one]))
        seen.append([line for line in scraped(metrics) if line.startswith("soak_uss")])
    assert seen == [['soak_uss_bytes{arm="leaky"} 4.4818432e+07']] * 2 + [[]]


def test_before_the_first_look_there_is_nothing() -> None:
    """An empty answer, no error."""
    assert scraped(RunMetrics()) == []


def test_a_run_that_has_ended_has_no_series() -> None:
    """The processes whose memory it showed are gone; the port may be open until the report is made."""
    metrics = RunMetrics()
    with Progress(Console(quiet=True), metrics.show) as progress:
        progress.show(RunStatus("quiesce", 61.0, 0.0, [arm(live=LIVE, requests={})]))
        assert scraped(metrics)
        progress.end()
        progress.show_text("replay: leaky", 62.0)
        assert scraped(metrics) == []
        progress.show(RunStatus("quiesce", 63.0, 0.0, [arm(requests={})]))
    assert scraped(metrics) == []


def test_a_port_that_is_taken_is_a_usage_error() -> None:
    """It names the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UsageError, match=rf"--metrics-port {port}: cannot listen there"):
            serve_metrics(port)


@pytest.mark.parametrize(
    "argv", [["check", "rules", "soakproof.rules.yml"], ["test", "rules", "soakproof.rules.test.yml"]]
)
def test_the_alerts_fire_when_they_should_and_only_then(argv: list[str]) -> None:
    """By promtool, on planted series."""
    done = subprocess.run(
        [promtool(), *argv], cwd=MONITORING, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
