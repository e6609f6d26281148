"""What the tests in a browser share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

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
