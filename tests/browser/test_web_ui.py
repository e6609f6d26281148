"""Locust's web UI in a real browser: Start, a load that runs, Stop, a report."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

CHROMIUM = shutil.which("chromium")

PROFILE = """
about = "two gateways for as long as Start and Stop say"
[phases]
idle_s = 2
warmup_s = 2
load_s = 600
drain_s = 2
quiesce_s = 1
[stubs]
[traffic]
rate_rps = 20
[arms.leaky]
role = "before"
command = ["{python}", "-m", "gateway", "--variant", "leaky", "--port", "{port}", "--upstreams", "{upstreams}"]
[arms.fixed]
role = "after"
command = ["{python}", "-m", "gateway", "--variant", "fixed", "--port", "{port}", "--upstreams", "{upstreams}"]
"""

pytestmark = pytest.mark.integration


@pytest.fixture
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        reason = "no chromium on this machine; on Debian: apt-get install chromium"
        assert "SOAKPROOF_REQUIRE_BROWSER" not in os.environ, reason
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--disable-component-update",
            ],
        )
        yield browser
        browser.close()


def wait_for(condition: str, text: Path, times: int = 1, timeout_s: float = 60.0) -> None:
    """Wait until a file holds the text so many times: files are how a run speaks."""
    deadline = time.monotonic() + timeout_s
    while not (text.exists() and text.read_text().count(condition) >= times):
        assert time.monotonic() < deadline, f"no {condition!r} in {text} within {timeout_s} s"
        time.sleep(0.1)  # a file offers no event to await


def test_start_and_stop_in_the_browser_make_a_load_and_its_report(browser: Browser, tmp_path: Path) -> None:
    """The Host field cannot turn the load away from the arms; Stop makes the report; Ctrl-C ends everything."""
    (tmp_path / "ui.toml").write_text(PROFILE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    runs = tmp_path / "runs"
    soak = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "soak",
            "ui",
            str(tmp_path / "ui.toml"),
            "--web-port",
            str(port),
            "--runs",
            str(runs),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        events = runs / "latest" / "events.csv"
        wait_for(",idle", events)
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_label("Host").fill("http://127.0.0.1:9")
        page.get_by_role("button", name="Start").click()
        wait_for(",load", events)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="leaky")).to_be_visible()
        wait_for(",leaky,load,", runs / "latest" / "leaky" / "requests.csv", times=4)
        page.get_by_role("button", name="Stop").click()
        wait_for(",idle", events, times=2)
        assert (runs / "latest" / "report" / "summary.json").exists()
    finally:
        soak.send_signal(signal.SIGINT)
        try:
            output, _ = soak.communicate(timeout=60)
        finally:
            soak.kill()  # its guard ends the rest
    assert soak.returncode == 4, output  # a few seconds of load decide nothing
    assert "The recording is complete and the load arrived." in output
    rows = (runs / "latest" / "leaky" / "requests.csv").read_text().splitlines()
    assert len(rows) > 2
