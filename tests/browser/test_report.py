"""The report's page in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from analysis.report.write import make_report
from soak.contract import GATES, GateLimit
from tests.support.planted_incident import Planted, write_incident

pytestmark = pytest.mark.integration

GATE_LIMITS = tuple(
    GateLimit(name, kind.relation, 1.0, of_before=False, text=kind.example) for name, kind in GATES.items()
)
SCROLLS_SIDEWAYS = """
[...document.querySelectorAll("header, header *, .first, .first *")]
    .filter(part => ["auto", "scroll"].includes(getComputedStyle(part).overflowX))
    .filter(part => part.scrollWidth > part.clientWidth)
    .map(part => part.outerHTML.slice(0, 80))
"""
REACHES_OUT = """
[...document.querySelectorAll("header *, .first *:not(svg *)")]
    .filter(part => part.getBoundingClientRect().right > innerWidth)
    .map(part => part.outerHTML.slice(0, 80))
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with every gate."""
    run_dir = write_incident(tmp_path_factory.mktemp("report") / "planted", Planted(gates=GATE_LIMITS))
    return make_report(run_dir).directory / "report.html"


@pytest.mark.parametrize("width", [360, 768, 1000, 1200, 1600])
def test_nothing_of_the_first_screen_scrolls_sideways(browser: Browser, page: Path, width: int) -> None:
    """Sign-off, verdicts, gates and the curve of memory fit the window of a phone, a tablet and a desktop."""
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.goto(page.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(SCROLLS_SIDEWAYS) == []
    assert tab.evaluate(REACHES_OUT) == []
