"""Locust's web UI in a real browser: Start, memory that rises, a verdict, Stop, a report; and its login."""

from __future__ import annotations

import csv
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.ports import free_port

PROFILE = """
about = "two gateways for as long as Start and Stop say"
[phases]
idle_s = 2
warmup_s = 4
load_s = 600
drain_s = 2
quiesce_s = 1
[limit]
memory = "512 MiB"
[sampling]
quiesce_every_s = 4
quiesce_pause_s = 1.5 # time to name holders on a busy machine
census_every_s = 4
[stubs]
[traffic]
rate_rps = 60
[judge]
max_leak = "200 B/request"
[arms.leaky]
role = "before"
command = ["sh", "-c", "sleep 900 & exec {python} -m gateway --variant leaky --port {port} --upstreams {upstreams}"]
[arms.fixed]
role = "after"
command = ["{python}", "-m", "gateway", "--variant", "fixed", "--port", "{port}", "--upstreams", "{upstreams}"]
"""

pytestmark = pytest.mark.integration


class Ui:
    """`soak ui` as a process, and what it recorded and printed."""

    def __init__(self, directory: Path, *options: str, **environment: str) -> None:
        (directory / "ui.toml").write_text(PROFILE)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.run = directory / "runs" / "latest"
        self.events = self.run / "events.csv"
        argv = ["ui", str(directory / "ui.toml"), "--web-port", str(port), "--runs", str(directory / "runs")]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "soak", *argv, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
        self.output = ""

    def recorded(self, event: str) -> list[dict[str, str]]:
        """Return the events of a name."""
        with self.events.open() as file:
            return [row for row in csv.DictReader(file) if row["event"] == event]

    def end(self) -> None:
        """Press Ctrl-C and wait for the end."""
        if self.output:
            return
        self.process.send_signal(signal.SIGINT)
        try:
            self.output, _ = self.process.communicate(timeout=60)
        finally:
            self.process.kill()  # its guard ends the rest


@pytest.fixture
def soak_ui(tmp_path: Path) -> Iterator[Callable[..., Ui]]:
    started: list[Ui] = []

    def start(*options: str, **environment: str) -> Ui:
        started.append(Ui(tmp_path, *options, **environment))
        wait_for(",idle", started[0].events)
        return started[0]

    yield start
    for ui in started:
        ui.end()


def wait_for(condition: str, text: Path, times: int = 1, timeout_s: float = 60.0) -> None:
    """Wait until a file holds the text so many times: files are how a run speaks."""
    deadline = time.monotonic() + timeout_s
    while not (text.exists() and text.read_text().count(condition) >= times):
        assert time.monotonic() < deadline, f"no {condition!r} in {text} within {timeout_s} s"
        time.sleep(0.1)  # a file offers no event to await


@contextmanager
def quiet_page(browser: Browser) -> Iterator[Page]:
    """Open a page that must neither complain on its console nor ask anybody but loopback."""
    page, complaints, hosts = browser.new_page(viewport={"width": 1280, "height": 800}), [], set()
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
    yield page
    assert complaints == []
    assert hosts - {None} == {"127.0.0.1"}


def keep(page: Page, name: str) -> None:
    """Keep a picture where docs has one, when asked to."""
    if directory := os.environ.get("SOAKPROOF_PICTURES"):
        page.screenshot(path=Path(directory, f"{name}.png"))


def cell(page: Page, arm: str, place: int) -> str:
    """Return a cell of the Memory tab."""
    return page.get_by_role("row").filter(has_text=arm).get_by_role("cell").nth(place).inner_text()


def number(text: str) -> float:
    return float(text.replace(",", "") or "nan")


def test_a_leak_is_seen_and_called_without_a_terminal(browser: Browser, soak_ui: Callable[..., Ui]) -> None:
    """From Start to the report: memory and tasks rise in the tab, the verdict turns to LEAK with slope and holder,
    the process that grows stands before the one that does not; Stop makes the report, comparison.csv is had. The
    Host field cannot turn the load away from the arms.
    """
    ui = soak_ui()
    with quiet_page(browser) as page, quiet_page(browser) as live:
        live.goto(f"{ui.url}/soak")
        expect(live.locator("#state")).to_contain_text("Phase: idle")
        page.goto(f"{ui.url}/")
        page.get_by_label("Host").fill("http://127.0.0.1:9")
        page.get_by_role("button", name="Start").click()
        wait_for(",load", ui.events)
        expect(page.get_by_role("button", name="Stop")).to_be_visible()
        page.get_by_role("tab", name="Memory").click()
        expect(page.get_by_role("row").filter(has_text="leaky")).to_be_visible(timeout=10_000)
        rss, tasks = (number(cell(page, "leaky", place)) for place in (4, 7))
        leaky = live.locator("article", has_text="leaky")
        expect(leaky.locator(".verdict")).to_have_text("LEAK", timeout=90_000)
        expect(leaky).to_contain_text("/request (", timeout=30_000)
        expect(leaky).to_contain_text(
            re.compile(r"Leak suspect: \w+: \+(0\.9|1\.)\d+ items/request"), timeout=30_000
        )
        fixed = live.locator("article", has_text="fixed")
        expect(fixed.locator(".verdict")).not_to_have_text("LEAK")
        processes = leaky.locator("tbody").get_by_role("row")
        grows = re.compile(r"^main [\d.]+(grows|undecided)[\d.]+ K?i?B/request$")
        expect(processes.first).to_have_text(grows, timeout=30_000)
        expect(processes.last).to_have_text(re.compile(r"^child [\d.]+(does not grow|undecided)"))
        expect(fixed.locator("tbody")).to_have_count(0)
        expect(page.get_by_role("row").filter(has_text="leaky")).to_contain_text("LEAK")
        assert number(cell(page, "leaky", 4)) > rss
        assert number(cell(page, "leaky", 7)) > tasks + 500
        keep(live, "live")
        keep(page, "memory-tab")
        page.get_by_role("button", name="Reset").click()
        wait_for(",stats_reset,", ui.events)
        page.get_by_role("button", name="Stop").click()
        wait_for(",idle", ui.events, times=2)
        live.get_by_role("link", name="Report of this run").click()
        expect(live.get_by_role("heading", level=1)).to_contain_text("fixed")
        live.goto(f"{ui.url}/soak/files")
        with live.expect_download() as download:
            live.get_by_role("link", name="comparison.csv").first.click()
        with Path(download.value.path()).open() as file:
            assert next(csv.reader(file))[0] == "measure"
    ui.end()
    signed = re.search(
        r"^SIGNED OFF: fixed passed", ui.output, re.MULTILINE
    )  # half a minute may decide nothing
    assert ui.process.returncode == (0 if signed else 4), ui.output
    assert "The recording is complete and the load arrived." in ui.output


def test_the_page_shows_what_is_recorded(browser: Browser, soak_ui: Callable[..., Ui]) -> None:
    """To the last digit, while nothing is loaded; a Stop before anything began and a second Start do no harm."""
    ui = soak_ui()
    with quiet_page(browser) as live:
        live.goto(f"{ui.url}/soak")
        shown = live.locator("article", has_text="fixed").locator("dd").first
        expect(shown).to_contain_text("MiB")
        text = shown.inner_text()
        with (ui.run / "fixed" / "samples.csv").open() as file:
            read = {f"{int(row['rss_bytes']) / 2**20:,.1f} MiB" for row in csv.DictReader(file)}
        assert text in read
        for path in ("/stop", "/swarm", "/swarm"):
            answer = live.request.post(f"{ui.url}{path}", form={"user_count": "1", "spawn_rate": "1"})
            assert answer.ok
        wait_for(",warm-up", ui.events)
        live.close()  # a browser that vanishes
    ui.end()
    phases = [row["detail"] for row in ui.recorded("phase")]
    assert phases[:2] == ["idle", "warm-up"]
    assert phases.count("warm-up") == 1
    assert "Traceback" not in ui.output


def test_a_login_is_asked_for_where_there_is_one(browser: Browser, soak_ui: Callable[..., Ui]) -> None:
    """A wrong password is told; the right one opens all; it is in no file of the run and in no target's environment."""
    ui = soak_ui("--web-login", SOAK_WEB_PASSWORD="correct-horse")
    page = browser.new_page()
    for password, at in (("wrong", "/login"), ("correct-horse", "/")):
        page.goto(f"{ui.url}/soak")
        page.get_by_label("Username").fill("soak")
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Login").click()
        page.wait_for_url(f"{ui.url}{at}")
    page.goto(f"{ui.url}/soak")
    expect(page.locator("#state")).to_contain_text("Phase: idle")
    started = {row["arm"]: Path(f"/proc/{row['pid']}/environ").read_bytes() for row in ui.recorded("start")}
    assert [name for name, environment in started.items() if b"correct-horse" in environment] == ["locust"]
    ui.end()
    found = [path for path in ui.run.rglob("*") if path.is_file() and b"correct-horse" in path.read_bytes()]
    assert found == []


def test_a_login_without_a_password_is_refused(tmp_path: Path) -> None:
    """Before anything is started."""
    environment = {name: value for name, value in os.environ.items() if name != "SOAK_WEB_PASSWORD"}
    done = subprocess.run(
        [sys.executable, "-m", "soak", "ui", "--web-login", "--runs", str(tmp_path)],
        capture_output=True, text=True, env=environment, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "set SOAK_WEB_PASSWORD in the environment" in done.stderr
    assert list(tmp_path.iterdir()) == []
