"""The report's page in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from analysis.report.write import make_report
from soak.contract import GATES, GateLimit
from tests.support.planted_incident import Planted, write_incident
from tests.support.planted_processes import PlantedProcess, write_processes

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


@pytest.fixture(scope="module")
def page_of_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run of which an arm has three workers; one of them leaks."""
    run_dir = tmp_path_factory.mktemp("workers") / "planted"
    write_incident(run_dir, Planted(incident=False, kill_hour=None))
    steady, leak = PlantedProcess(), PlantedProcess(rss_bytes=5000.0)
    write_processes(run_dir, "leaky", (steady, steady, leak, steady))
    return make_report(run_dir).directory / "report.html"


@pytest.mark.parametrize("width", [360, 768, 1000, 1200, 1600])
def test_nothing_of_the_first_screen_scrolls_sideways(browser: Browser, page: Path, width: int) -> None:
    """Sign-off, verdicts, gates and the curve of memory fit the window of a phone, a tablet and a desktop."""
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.goto(page.as_uri())
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.evaluate(SCROLLS_SIDEWAYS) == []
    assert tab.evaluate(REACHES_OUT) == []


@pytest.mark.parametrize("width", [720, 1280])
def test_the_processes_of_an_arm_fit_the_window(browser: Browser, page_of_workers: Path, width: int) -> None:
    """Three workers of which one leaks: the row of that one comes first, and the table does not scroll."""
    tab = browser.new_page(viewport={"width": width, "height": 800})
    tab.goto(page_of_workers.as_uri())
    table = tab.get_by_role("region", name="Processes of leaky under load")
    expect(table.get_by_role("row").nth(1)).to_contain_text(re.compile(r"child 303 .*grows.*B/request"))
    assert table.evaluate("part => part.scrollWidth <= part.clientWidth")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
