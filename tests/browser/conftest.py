"""What the tests in a browser share."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A Chromium without a window; without one on the machine the tests are skipped.

    It is one for each file, as while it is there an event loop runs in this thread, where other tests start theirs.
    """
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


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A Chromium with nothing open and nothing kept: each page that a test opens has a profile of its own."""
    yield chromium
    for context in chromium.contexts:
        context.close()


class GrowingPage:
    """The page of a recording that grows as the test has it."""

    def __init__(self, runs: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.live_page_server", str(runs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = f"http://127.0.0.1:{int(self._line())}/soak"

    def add(self, start_s: int, stop_s: int) -> float:
        """Add the rows of these seconds and return the server's resident memory, bytes."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{start_s} {stop_s}\n")
        self.process.stdin.flush()
        return float(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[GrowingPage]:
    served = GrowingPage(tmp_path / "runs")
    yield served
    served.process.kill()
    served.process.communicate()
