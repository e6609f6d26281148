"""The page /soak from one poll to the next, in a real browser, with answers that the test makes."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Route, ViewportSize, expect

from locustfiles.web.live_recording import READING_NAMES, REQUEST_NAMES
from tests.browser.conftest import GrowingPage

pytestmark = pytest.mark.integration

POLL_MS = 2100
"""More than the time between two polls of the page, ms."""
NARROW: ViewportSize = {"width": 360, "height": 740}
NARROWEST: ViewportSize = {"width": 320, "height": 640}
SUSPECT = "…gateway.request_history: +1.00 items/request"

WATCH = """() => {
    window.said = [];
    const status = document.querySelector("[role=status]"), room = document.querySelector(".processes");
    new MutationObserver(() => said.push(status.textContent))
        .observe(status, { childList: true, characterData: true, subtree: true });
    const texts = [...document.querySelectorAll(".arm p")];
    getSelection().selectAllChildren(texts.find((one) => one.textContent.startsWith("Leak suspect")));
    room.scrollLeft = 9999;
    return room.scrollLeft;
}"""
"""Notes what is announced from now on; selects the leak suspect; scrolls the table to its end, and returns where."""

NOTE_WORDS = """
    window.words = {};
    const fill = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
        words[text] = [x, x + this.measureText(text).width, this.canvas.width];
        return fill.call(this, text, x, y);
    };
"""
"""Notes of each text in a chart where it begins and ends, and the width of the chart, pixels."""


class Polled:
    """What the page is told: a run of one arm whose clock and memory go on with every poll."""

    def __init__(self, processes: int, names: tuple[str, ...] = ("leaky",)) -> None:
        self.polls = 0
        self.names = names
        self.killed = list[float]()
        self.verdict = ("leak", "LEAK")
        self.processes = processes
        self.down = ""

    def answer(self, route: Route) -> None:
        """Answer the next poll."""
        self.polls += 1
        route.fulfill(json=self._run())

    def _run(self) -> dict[str, Any]:
        t_s = self.polls * 10
        rows = [[t_s - 1, 1, 2**20, *[None] * 4], [t_s, 1, t_s * 2**20, *[None] * 4]]
        processes = [
            {"name": f"child {4_000_000 + n}", "rss": f"{t_s}.0", "growth": "does not grow", "rate": "0.25 B/request"}
            for n in range(self.processes)
        ]  # fmt: skip
        state, verdict = self.verdict
        arms = [{
            "name": name, "verdict": verdict, "state": state, "rate": "20 B/request", "suspect": SUSPECT, "oom": "",
            "reason": "it grows", "rss": "" if self.down else f"{t_s}.0", "uss": "", "blocks": "", "tasks": "",
            "sessions": "", "life": self.down or "1", "kills": "0", "killed": self.killed,
            "down": bool(self.down), "ok": "80", "failed": "0", "processes": processes, "more": "",
            "readings": {"whole": True, "columns": READING_NAMES, "points": rows},
            "requests": {"whole": True, "columns": REQUEST_NAMES, "points": [[t_s, 80, 0, 7.9, 27.3]]},
        } for name in self.names]  # fmt: skip
        return {
            "run": "demo", "phase": "load", "phases": [[0, "load"]], "limit": None, "judged": f"0:00:{t_s}",
            "report": None, "have": "", "arms": arms,
        }  # fmt: skip


def opened(
    browser: Browser,
    growing: GrowingPage,
    polled: Polled,
    size: ViewportSize,
    forced_colors: Literal["active", "none"] = "none",
) -> Page:
    """Open the page, whose time stands still between polls."""
    page = browser.new_page(viewport=size, forced_colors=forced_colors)
    page.add_init_script(NOTE_WORDS)
    page.clock.install(time=0)
    page.clock.pause_at(60)
    page.route("**/soak/data*", polled.answer)
    page.goto(growing.url)
    expect(page.locator("article").first).to_contain_text("10.0 MiB")
    return page


def poll(page: Page) -> None:
    """Have the page poll once more, and show it."""
    with page.expect_response("**/soak/data*") as polled:
        page.clock.run_for(POLL_MS)
    judged = polled.value.json()["judged"]
    expect(page.locator("header")).to_contain_text(judged)


def test_an_update_touches_only_what_has_changed(browser: Browser, growing: GrowingPage) -> None:
    """A scrolled table and a selected text stay; the status is announced when it changes, and only then."""
    polled = Polled(processes=2)
    page = opened(browser, growing, polled, NARROW)
    scrolled = page.evaluate(WATCH)
    assert scrolled > 0
    polled.processes = 3
    for _ in range(3):
        poll(page)
    expect(page.locator("dd").first).to_have_text("40.0 MiB")
    expect(page.locator(".processes tbody tr")).to_have_count(3)
    found = page.evaluate(
        "[document.querySelector('.processes').scrollLeft, getSelection().toString(), said]"
    )
    assert found == [scrolled, f"Leak suspect: {SUSPECT}", []]
    polled.verdict = ("inconclusive", "INCONCLUSIVE")
    poll(page)
    assert page.evaluate("said") == ["Phase: load. Verdict so far: leaky INCONCLUSIVE."]
    expect(page.locator(".arm.inconclusive .verdict")).to_have_text("INCONCLUSIVE")


def test_an_arm_that_is_down_has_no_readings(browser: Browser, growing: GrowingPage) -> None:
    """Neither as figures nor beside the curves; its requests go on."""
    polled = Polled(processes=2)
    page = opened(browser, growing, polled, NARROW)
    memory = page.locator("#charts figure").first.locator(".u-value").last
    expect(memory).to_have_text("10.0")
    polled.down, polled.processes = "down: it ended after 10 restarts", 0
    poll(page)
    expect(page.locator("dl")).to_have_text("ok/s80failed/s0lifedown: it ended after 10 restartsOOM kills0")
    expect(page.locator(".processes")).to_have_count(0)
    expect(memory).to_have_text("")
    expect(page.locator("#charts figure").nth(5).locator(".u-value").last).to_have_text("80")


@pytest.mark.parametrize("processes", [0, 2])
@pytest.mark.parametrize("name", ["leaky", "checkout_service_" * 4])
def test_a_narrow_screen_has_all_of_the_page(
    browser: Browser, growing: GrowingPage, processes: int, name: str
) -> None:
    """Nothing but a table of processes is wider than it."""
    page = opened(browser, growing, Polled(processes, (name,)), NARROWEST)
    assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST["width"]


def test_ten_arms_look_different(browser: Browser, growing: GrowingPage) -> None:
    """In the curves and in the legends, which show a curve's colour and its dashes."""
    names = tuple(f"arm-{number}" for number in range(10))
    page = opened(browser, growing, Polled(0, names), NARROW)
    curves = page.evaluate("plots[0].series.slice(1).map(one => `${one.stroke()} ${one.dash}`)")
    legend = page.locator("#charts figure").first.locator(".u-marker")
    markers = legend.evaluate_all("all => all.map(one => one.style.border).filter(one => one)")
    assert (len(set(curves)), len(markers), len(set(markers))) == (10, 10, 10)


def test_a_long_name_is_beside_its_marker(browser: Browser, growing: GrowingPage) -> None:
    """And what is said of a kill ends within the chart, where it does not fit."""
    polled = Polled(0, (f"checkout-{'release-candidate-' * 3}7",))
    polled.killed = [6.0]
    page = opened(browser, growing, polled, NARROWEST)
    row = page.locator("#charts figure").first.locator("tr.u-series").last
    tops = row.evaluate(
        "row => ['.u-marker', '.u-label'].map(part => row.querySelector(part).getClientRects()[0].top)"
    )
    assert abs(tops[0] - tops[1]) < 10
    [(_, end, width)] = [found for text, found in page.evaluate("words").items() if "OOM-killed" in text]
    assert end <= width
    assert page.evaluate("document.documentElement.scrollWidth") == NARROWEST["width"]


def test_a_table_of_processes_has_a_name_and_the_keyboard(browser: Browser, growing: GrowingPage) -> None:
    """It scrolls where it is wider than the screen."""
    page = opened(browser, growing, Polled(2), NARROW)
    table = page.get_by_role("region", name="Processes of leaky")
    table.focus()
    assert page.evaluate("document.activeElement.className") == "processes"


def test_forced_colours_keep_what_is_chosen_and_the_legend(browser: Browser, growing: GrowingPage) -> None:
    """As in a theme of high contrast: the page's own colours are gone."""
    page = opened(browser, growing, Polled(0, ("leaky", "fixed")), NARROW, "active")
    colours = page.locator(".ranges button").evaluate_all(
        "all => all.map(one => getComputedStyle(one).backgroundColor)"
    )
    assert len(set(colours)) == 2
    markers = (
        page.locator("#charts figure")
        .first.locator(".u-marker")
        .evaluate_all("all => all.slice(1).map(one => getComputedStyle(one).borderTopColor)")
    )
    assert len(set(markers)) == 2


@pytest.mark.parametrize("answer", [{"status": 500}, {"body": "no JSON"}, None])
def test_a_page_without_answers_says_so(
    browser: Browser, growing: GrowingPage, answer: dict[str, Any] | None
) -> None:
    """What it has stays, and once there is an answer it goes on."""
    polled = Polled(0)
    page = opened(browser, growing, polled, NARROW)
    page.unroute("**/soak/data*")
    page.route("**/soak/data*", lambda route: route.fulfill(**answer) if answer else route.abort())
    page.clock.run_for(POLL_MS)
    expect(page.locator("#state.gone")).to_contain_text("No answer")
    expect(page.locator("article")).to_contain_text("10.0 MiB")
    page.unroute("**/soak/data*")
    page.route("**/soak/data*", polled.answer)
    poll(page)
    expect(page.locator("#state")).to_have_text("Phase: load. Verdict so far: leaky LEAK.")
    expect(page.locator("#state.gone")).to_have_count(0)
