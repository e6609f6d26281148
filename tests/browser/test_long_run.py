"""The page /soak over three days of a run, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.browser.conftest import GrowingPage

pytestmark = pytest.mark.integration

HOURS, STEP_S = 72, 6 * 3600
POLL_MS = 2100
"""More than the time between two polls of the page, ms."""
MOST_GROWTH_BYTES = 5_000_000


def test_three_days_keep_no_more_than_the_first_six_hours(browser: Browser, growing: GrowingPage) -> None:
    """The page's live JavaScript objects and the server's memory, six hours of rows between two polls."""
    page = browser.new_page()
    page.clock.install()
    page.goto(growing.url)
    devtools = page.context.new_cdp_session(page)
    page_bytes, server_bytes = [], []
    for start_s in range(0, HOURS * 3600, STEP_S):
        server_bytes.append(growing.add(start_s, start_s + STEP_S))
        with page.expect_response("**/soak/data*") as polled:
            page.clock.run_for(POLL_MS)
        assert polled.value.ok
        devtools.send("HeapProfiler.collectGarbage")
        usage: dict[str, Any] = devtools.send("Runtime.getHeapUsage")
        page_bytes.append(float(usage["usedSize"]))
    assert max(page_bytes) - page_bytes[0] < MOST_GROWTH_BYTES, page_bytes
    assert max(server_bytes) - server_bytes[0] < MOST_GROWTH_BYTES, server_bytes
