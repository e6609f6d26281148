"""What the tests in a browser share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A Chromium without a window; without one on the machine the test is skipped."""
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
