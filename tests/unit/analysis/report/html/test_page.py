from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.text import Text

from analysis.recording.events import read_events
from analysis.recording.read import read_recording
from analysis.report.contents import report_contents
from analysis.report.figures.latency import latency_figure
from analysis.report.figures.memory import memory_figure
from analysis.report.figures.objects import objects_figure
from analysis.report.html.page import report_html
from analysis.report.html.svg import svg_text
from analysis.report.own_word import GATES
from analysis.report.tables import MOST_EVENTS
from soak.contract import SITE_COLUMNS, SITES, GateLimit, names
from soak.recording.files import record_sums
from tests.support.paths import ROOT

Build = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("planted_verdicts")

VOID = {"meta", "link", "br"}
LOADS = {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}


class Page(HTMLParser):
    """A page taken apart; it fails on a tag that is not closed in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        """What is read, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        """The attributes of every such tag."""
        return [attrs for name, attrs in self.tags if name == tag]


FIGURES = {"memory": memory_figure, "objects": objects_figure, "latency": latency_figure}


def page_text(run_dir: Path, *, draw: bool = False) -> str:
    """The page of a run; its figures are empty unless asked for."""
    findings = report_contents(read_recording(run_dir))
    drawn = dict.fromkeys(FIGURES, '<svg viewBox="0 0 1 1"></svg>')
    if draw:
        drawn = {name: svg_text(figure(findings), name) for name, figure in FIGURES.items()}
    return report_html(findings, read_events(run_dir), drawn)


@pytest.fixture(scope="module")
def gates() -> tuple[GateLimit, ...]:
    return (GateLimit("tasks", "<=", 50.0, of_before=False, text="<= 50"),)


def test_the_page_begins_with_what_is_signed(build_run: Build, gates: tuple[GateLimit, ...]) -> None:
    """Sign-off, verdicts and gates come first, then the curve, then all that led to it, in this order."""
    run_dir = build_run(gates=gates)
    record_sums(run_dir, {})
    page = Page(page_text(run_dir))
    order = [
        "NOT SIGNED OFF: fixed: the gate tasks could not be decided.",
        "Verdicts leaky LEAK 34.0 KiB/request",
        "fixed NO LEAK leak < 99 B/request (95% upper bound; memory in use, 10 B of it reserve)",
        "Gates of fixed",
        "leak pass 69 B/request 49 B to 99 B, 95% < 200 B/request",
        "tasks † inconclusive not measured <= 50 tasks: fixed has no reading of tasks_alive.",
        "Memory",
        "Before and after, against the incident",
        "leaked tasks †",
        "Objects †",
        "Latency and failures",
        "Load arm planned sent",
        "How it was decided",
        "fixed is judged by memory in use. The trend is 69 B/request, with a 95% interval of 49 B to 99 B.",
        "† The target's own word: what is inside the process is reported by its probe.",
        "Events",
        "0:03:09 exit leaky 1 kernel",
        "Provenance",
        "Python 3.11.7",
        f"SHA256SUMS {sha256(run_dir / 'SHA256SUMS')}",
        f"events.csv {sha256(run_dir / 'events.csv')}",
    ]
    at = 0
    for words in order:
        assert words in page.text[at:], words
        at = page.text.index(words, at) + len(words)


def test_what_the_target_reports_is_marked_and_nothing_else(build_run: Build) -> None:
    """Each mark leads to its meaning; measures that are read from outside have none."""
    text = page_text(build_run())
    marked = re.findall(r">([^<>]+?) <a class=\"own-word\" href=\"#own-word\"", text)
    assert "Objects" in marked
    assert "leaked tasks" in marked
    assert not {"leak", "max_rss", "fds", "after 1 h", "kind", "bytes"} & set(marked)
    assert text.count('id="own-word"') == 1
    assert {"tasks", "sessions"} == GATES


def test_the_page_has_the_hashes_that_it_found(build_run: Build) -> None:
    """A file that is not the one of the run's end is marked, with both hashes, and nothing is signed off."""
    run_dir = build_run()
    record_sums(run_dir, {})
    recorded = sha256(run_dir / "events.csv")
    with (run_dir / "events.csv").open("a") as events:
        events.write("216.0,,gap,fixed,1,101,,late\n")
    (run_dir / "leaky" / "requests.csv").unlink()
    page = Page(page_text(run_dir))
    assert f"events.csv {sha256(run_dir / 'events.csv')} changed; SHA256SUMS: {recorded}" in page.text
    assert "leaky/requests.csv none missing; SHA256SUMS: " in page.text
    changed = "events.csv was changed: its SHA-256 is not that in SHA256SUMS"
    assert f"NOT SIGNED OFF: the recording was changed: {changed}" in page.text


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_nothing_is_loaded_and_every_picture_has_words(build_run: Build) -> None:
    """No address outside the page, a policy that forbids any, headings without a gap, and a text for each figure."""
    page = Page(page_text(build_run(), draw=True))
    for tag, attributes in page.tags:
        for name in LOADS & attributes.keys():
            value = attributes[name] or ""
            assert value.startswith("#") or (tag, value) == ("link", "data:,"), (tag, value)
    assert not {"script", "img", "iframe", "object", "form", "base"} & {tag for tag, _ in page.tags}
    policy = next(meta for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert (policy["content"] or "").startswith("default-src 'none'; ")
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    alts = [svg["aria-label"] or "" for svg in page.of("svg")]
    assert alts[0] == (
        "Resident memory over time. leaky went from 74.4 MiB to 484 MiB and was OOM-killed by kernel at 5:36 h. "
        "fixed went from 74.4 MiB to 75.3 MiB under load. The memory limit is 488 MiB."
    )
    assert alts[1].startswith(
        "Objects over time. Finished tasks still referenced, maximum: leaky 13,360, fixed 3."
    )
    assert "leaky: p50 4.0 ms, p99 8.0 ms, 0 failed and 240 missed." in alts[2]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_a_load_that_nobody_planned_is_not_called_planned(build_run: Build) -> None:
    """With a locustfile of the team's own, the page speaks of users."""
    run_dir = build_run(kill_hour=None)
    manifest = run_dir / "manifest.json"
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(facts | {"config": {"traffic": {"locustfile": "team.py"}}}))
    drawn = latency_figure(report_contents(read_recording(run_dir))).findobj(Text)
    titles = [text.get_text() for text in drawn if isinstance(text, Text)]
    assert "Latency from the request to the answer or failure" in titles
    text = Page(page_text(run_dir)).text
    assert "no request was planned, and latency is the service time" in text
    assert "the users sent requests throughout the load" in text
    assert "planned start" not in text
    assert "arrived as planned" not in text


def test_what_a_run_says_of_itself_is_no_markup(build_run: Build) -> None:
    """A profile, a detail and an arm's command with tags in them are read, not run."""
    evil = "</style><script>alert(1)</script><img src=x onerror=y>\"'"
    run_dir = build_run(status="failed", status_detail=evil)
    manifest = json.loads((run_dir / "manifest.json").read_text())
    manifest |= {"profile": evil, "run_id": evil, "config": {"arms": {evil: {"command": [evil]}}}}
    manifest["host"] = {"kernel": evil, "packages": {evil: evil}}
    (run_dir / "manifest.json").write_text(json.dumps(manifest))
    with (run_dir / "events.csv").open("a") as events:
        events.write(f"99,2026,gap,{evil.replace(chr(34), '')},,,,<b>\n")
    page = Page(page_text(run_dir))
    assert not {"script", "img", "b"} & {tag for tag, _ in page.tags}
    assert page.text.count("<script>alert(1)</script>") >= 6


def test_readings_of_no_known_life_are_told_as_not_read(build_run: Build) -> None:
    """A damaged column leaves an arm without its words, not the run without its page."""
    run_dir = build_run()
    samples = run_dir / "fixed" / "samples.csv"
    head, *rows = samples.read_text().splitlines()
    life = head.split(",").index("life")
    lines = [",".join("" if n == life else cell for n, cell in enumerate(row.split(","))) for row in rows]
    samples.write_text("\n".join([head, *lines, ""]))
    assert "fixed was not read." in (Page(page_text(run_dir, draw=True)).of("svg")[0]["aria-label"] or "")


def test_colours_are_those_of_the_page(build_run: Build) -> None:
    """No figure has a colour of its own, so a dark page has no white pictures and no dark words on dark ground."""
    text = page_text(build_run(), draw=True)
    svgs = re.findall(r"<svg.*?</svg>", text, re.DOTALL)
    assert len(svgs) == 3
    assert {colour.lower() for svg in svgs for colour in re.findall(r"#[0-9a-fA-F]{6}\b", svg)} == set()
    used = set(re.findall(r"var\((--[\w-]+)\)", text))
    assert used <= set(re.findall(r"(--[\w-]+):", text))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_contrast(scheme: str) -> None:
    """At least 4.5 against the page and against its shaded parts, in both colour schemes (WCAG 2.2, 1.4.3)."""
    css = (ROOT / "analysis" / "report" / "html" / "report.css").read_text()
    found = re.findall(r":root \{(.*?)\}", css, re.DOTALL)[0 if scheme == "light" else 1]
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", found))
    for name in ("ink", "faint", "good", "bad", "open"):
        for ground in ("paper", "band"):
            assert _contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
    for name in (name for name in colours if name.startswith("arm-")):
        assert _contrast(colours[name], colours["paper"]) >= 2.0, (
            name
        )  # a line, told apart by its dashes as well


def _contrast(first: str, second: str) -> float:
    high, low = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_very_many_events_are_bounded(build_run: Build) -> None:
    """The first and the last are shown, the rest is counted."""
    run_dir = build_run()
    with (run_dir / "events.csv").open("a") as events:
        events.writelines(f"{300 + i},2026,gap,fixed,1,,,missed {i}\n" for i in range(5000))
    text = page_text(run_dir)
    assert text.count(">gap<") < MOST_EVENTS
    assert "missed 4999" in text
    assert re.search(
        r"4,\d\d\d events between the first 100 and the last 100 are left out; events.csv has all.", text
    )


def test_a_run_that_goes_on_says_so(build_run: Build) -> None:
    """Half of a recording makes a page that says what it holds for, without hashes."""
    page = Page(page_text(build_run(status="running", end_s=60.0, probe=False)))
    assert "The run is not over, or it was killed" in page.text
    assert "Problems with this recording" in page.text
    assert "None: they are written at the end of a run." in page.text


def test_a_recording_with_nothing_but_its_manifest_has_a_page(build_run: Build) -> None:
    """Every file lost leaves a page that names them."""
    run_dir = build_run(incident=False)
    for path in run_dir.rglob("*"):
        if path.is_file() and path.name != "manifest.json":
            path.unlink()
    page = Page(page_text(run_dir))
    assert "events.csv is missing (No such file or directory)" in page.text
    assert "The run did not reach the phase load, so there is nothing to judge." in page.text


def test_the_first_screen_leads_to_the_story_of_a_leak(build_run: Build) -> None:
    """The verdict of the arm that leaks has a link to its section, where what is not known has its reason."""
    run_dir = build_run()
    site = dict.fromkeys(names(SITE_COLUMNS), "")
    site |= {"pass": "python", "rank": "1", "your_line": "app.py:3", "source": "<script>keep(1)</script>"}
    site |= {"bytes_per_request": "90", "blocks_per_request": "1", "low": "89", "high": "91", "share": "0.9"}
    lines = (",".join(site), ",".join(site.values()))
    (run_dir / "leaky" / SITES).write_text("\n".join(lines) + "\n")
    text = page_text(run_dir)
    page = Page(text)
    links = [attrs["href"] for attrs in page.of("a") if (attrs["href"] or "").startswith("#leak")]
    assert links == ["#leak-1"]
    assert [attrs.get("id") for attrs in page.of("section") if attrs.get("id")] == ["leak-1"]
    assert "app.py:3: 90 B/request (89 B to 91 B, 95%), 1.00 blocks, 90% of the leak" in page.text
    assert "<code>&lt;script&gt;keep(1)&lt;/script&gt;</code>" in text
    assert "Retained by not known: no heap census was taken under load" in page.text
    assert (
        page.text.index("Memory") < page.text.index("The leak in leaky") < page.text.index("Before and after")
    )
