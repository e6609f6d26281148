from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from analysis.growth.arm import ArmGrowth
from analysis.growth.classify import CONTAINER, LOST_REFERENCE
from analysis.growth.classify import NATIVE as NATIVE_MEMORY
from analysis.growth.suspect import UNKNOWN_RATES, suspect_without_container
from analysis.recording.model import Arm
from analysis.recording.read import read_recording
from analysis.recording.replay import Site
from analysis.report.contents import report_contents
from analysis.report.html.page import report_html
from analysis.report.machine.junit import junit_xml
from analysis.report.machine.summary import summary_json
from analysis.report.markdown.comment import report_markdown
from analysis.report.site_lines import first_sites, site_text, why_no_lines, with_places
from analysis.report.site_tables import site_tables
from analysis.report.terminal.report import site_parts
from analysis.report.terminal.tables import render
from analysis.sites.found import ArmSites, together
from soak.contract import BY_MEMRAY, BY_TRACEMALLOC
from tests.support.planted_replay import SITE, add_replay, write_sites

Build = Callable[..., Path]
SECOND = replace(
    SITE,
    rank=2,
    your_line="gateway/article_client.py:20",
    source="<script>alert(1)</script> `[link](http://x)` | cell",
    in_line="",
    bytes_per_request=573.0,
    low=570.0,
    high=577.0,
    share=0.033,
    endpoint="GET /a",
)
TABLE = replace(
    SITE,
    rank=3,
    your_line="app.py:9",
    source="",
    bytes_per_request=346.0,
    low=None,
    high=None,
    blocks_per_request=1.0,
    share=0.02,
)
SVG = '<svg viewBox="0 0 1 1"></svg>'


def found(*sites: Site, leak: float | None = 17_300.0, reason: str = "") -> ArmSites:
    return ArmSites(
        "leaky",
        "done" if sites or not reason else "refused",
        reason,
        12.0,
        4_800,
        together(sites),
        sites,
        leak,
    )


def test_a_site_is_one_line_with_its_source() -> None:
    """Your line, the package's line, bytes with their interval, blocks, share, endpoint; a table has its number."""
    assert site_text(SITE) == (
        "gateway/app.py:130 in aiohttp/client_reqrep.py:1107: 14.8 KiB/request (14.7 KiB to 14.9 KiB, 95%), "
        "1.00 blocks, 88% of the leak"
    )
    assert site_text(replace(TABLE, function="f (ujson)")) == (
        "app.py:9 in aiohttp/client_reqrep.py:1107, by f (ujson): 346 B/request, in 1 large block, 2% of the leak"
    )
    assert site_text(replace(SITE, your_line="")).startswith("aiohttp/client_reqrep.py:1107: 14.8")
    assert site_text(SECOND).endswith("3% of the leak, by GET /a")
    assert len(first_sites(found(*(replace(SITE, your_line=f"app.py:{line}") for line in range(9))))) == 3


def test_a_line_of_yours_is_one_with_all_that_packages_allocate_below_it() -> None:
    """Ten sites of a connection, 700 B each, are the first line; a thread of the package keeps 6,989 B at one line."""
    small = replace(SITE, bytes_per_request=700.0, low=690.0, high=710.0, share=0.04)
    parts = [replace(small, in_line=f"paramiko/transport.py:{line}") for line in range(10)]
    thread = replace(SITE, your_line="", in_line="paramiko/packet.py:258", bytes_per_request=6_989.0)
    first, second = first_sites(found(thread, *parts))
    assert site_text(first) == (
        "gateway/app.py:130 in 10 lines, most at paramiko/transport.py:0: 6.8 KiB/request (6.7 KiB to 6.9 KiB, "
        "95%), 10.00 blocks, 40% of the leak"
    )
    assert second.in_line == "paramiko/packet.py:258"


@pytest.mark.parametrize(("bytes_of_others", "named"), [(100.0, True), (400.0, False)])
def test_a_line_of_yours_is_of_a_function_that_allocates_half_of_it(
    bytes_of_others: float, named: bool
) -> None:
    """Not of one that allocates at the largest of its lines alone."""
    parts = [
        replace(SITE, in_line=f"x.py:{line}", function=f"f{line} (x)", bytes_per_request=bytes_of_others)
        for line in range(3)
    ]
    parts.append(replace(SITE, function="JSON_DecodeObject (ujson)", bytes_per_request=500.0))
    [site] = first_sites(found(*parts))
    assert site.function == ("JSON_DecodeObject (ujson)" if named else "")


def test_the_table_states_how_much_of_the_leak_it_explains() -> None:
    """Nearly all, less than half (past Python's allocators), more than the run kept, or no word where it is unknown."""
    (table,) = site_tables((found(SITE, SECOND, TABLE),))
    assert table.caption == "Allocated in leaky, per request"
    assert table.head == ("your line", "source", "in", "bytes", "95%", "blocks", "share", "endpoint")
    assert table.rows[0] == (
        "gateway/app.py:130", SITE.source, "aiohttp/client_reqrep.py:1107", "14.8 KiB", "14.7 KiB to 14.9 KiB", "1.00",
        "88%", "",
    )  # fmt: skip
    assert table.rows[2][3:6] == ("346 B", "", "in 1 large block")
    notes = {
        leak: site_tables((found(SITE, leak=leak),))[0].note for leak in (17_300.0, 60_000.0, 9_000.0, None)
    }
    assert notes[17_300.0].startswith(
        "In all 14.8 KiB of 16.9 KiB per request, 88%. From a replay after the run, 4,800 "
    )
    assert notes[60_000.0].startswith(
        "43.8 KiB of 58.6 KiB per request are allocated past Python's allocators, or by lines not told apart "
        "from noise."
    )
    assert (
        "14.8 KiB per request against 8.8 KiB is more than the run kept: containers turn over."
        in notes[9_000.0]
    )
    assert notes[None] == (
        "From a replay after the run, 4,800 requests in 12 s; no evidence for the verdict. "
        "A line may be of a bounded cache that was still filling."
    )


def test_a_site_without_a_line_of_yours_has_that_of_the_package() -> None:
    """Or of the standard library: what allocates is named in any case."""
    theirs, nobodys = replace(SITE, your_line=""), replace(SITE, your_line="", in_line="")
    (table,) = site_tables((found(theirs, nobodys),))
    assert [(row[0], row[2]) for row in table.rows] == [
        ("none of yours", "aiohttp/client_reqrep.py:1107"),
        ("none of yours", "aiohttp/streams.py:450"),
    ]


def test_passes_have_a_table_each_and_a_long_one_is_cut() -> None:
    """Native sites name their function; 30 sites of one line are a row, so that they hide no other line."""
    native = replace(SITE, of_pass="native", function="JSON_DecodeObject (ujson)")
    many = [replace(SITE, rank=rank) for rank in range(30)]
    others = [replace(SECOND, your_line=f"app.py:{line}") for line in range(30)]
    python, of_native = site_tables((found(*many, *others[:1], native),))
    assert [row[0] for row in python.rows] == [SITE.your_line, "app.py:0"]
    assert python.note.startswith("A row for each line of yours; sites.csv has all 31 sites.")
    assert len(site_tables((found(*others),))[0].rows) == 12
    assert of_native.caption == "Allocated in leaky, by native code, per request"
    assert of_native.rows[0][of_native.head.index("by")] == "JSON_DecodeObject (ujson)"


def test_a_refusal_is_shown_with_its_reason() -> None:
    """And so is a replay that found nothing."""
    (table,) = site_tables((found(reason="fewer than 60 requests between points"),))
    assert (table.rows, table.note) == ((), "Not replayed: fewer than 60 requests between points.")
    assert (
        why_no_lines(found())
        == "no line was found that retains 2% of the leak: it is allocated past Python's allocators, or by lines not "
        "told apart from noise"
    )
    both = replace(found(), passes=(BY_TRACEMALLOC, BY_MEMRAY))
    assert why_no_lines(both) == "no line was found that retains 2% of the leak"


@pytest.mark.usefixtures("planted_verdicts")
def test_every_report_shows_the_sites_and_obeys_none_of_their_text(build_run: Build) -> None:
    """HTML, Markdown, JUnit, terminal and summary have them; source lines are text everywhere."""
    run_dir = build_run(incident=False)
    write_sites(run_dir / "leaky", [SITE, SECOND, TABLE])
    add_replay(run_dir, "leaky")
    add_replay(run_dir, "fixed", status="refused", reason="the target stopped tracemalloc")
    contents = report_contents(read_recording(run_dir))
    page = report_html(contents, (), {"memory": SVG})
    assert "<h3>Allocated in leaky, per request</h3>" in page
    assert "<h2>Replay of fixed</h2>" in page
    assert "<code>history.append(await answer.read())</code>" in page
    assert "<script>alert" not in page
    assert "Not replayed: the target stopped tracemalloc." in page
    comment = report_markdown(contents)
    assert "    - gateway/app.py:130 in aiohttp/client_reqrep.py:1107: 14.8 KiB/request" in comment
    assert f"88% of the leak<br><code>{SITE.source}</code>" in comment
    assert "<script>" not in comment
    assert "Allocated at: gateway/app.py:130" in junit_xml(contents)
    assert "gateway/article_client.py:20: 573 B/request" in junit_xml(contents)
    text = render(site_parts(contents.sites))
    assert "Allocated in fixed: not known: the target stopped tracemalloc." in text
    assert "    history.append(await answer.read())\n" in text
    summary = json.loads(summary_json(contents))
    first = summary["sites"][0]
    assert (first["arm"], first["of_pass"], first["your_line"]) == ("leaky", "python", "gateway/app.py:130")
    assert summary["replay"]["fixed"]["reason"] == "the target stopped tracemalloc"
    assert summary["replay"]["leaky"]["explained_share"] > 0
    step = next(step for step in contents.stories[0].steps if step.question == "allocated_at")
    assert step.lines[0].code == SITE.source


@pytest.mark.usefixtures("planted_verdicts")
def test_a_report_without_a_replay_is_as_it_was(build_run: Build) -> None:
    """No section, no line, nothing in the summary."""
    contents = report_contents(read_recording(build_run(incident=False)))
    assert contents.sites == ()
    assert "<h3>Allocated in" not in report_html(contents, (), {"memory": SVG})
    assert "Allocated at" not in junit_xml(contents)
    summary = json.loads(summary_json(contents))
    assert (summary["sites"], summary["replay"]) == ([], {})


NATIVE = replace(
    SITE, of_pass="native", your_line="app.py:12", in_line="", function="JSON_DecodeObject (ujson)"
)
TRACED = replace(SITE, your_line="app.py:12", in_line="", function="")


def test_a_line_comes_with_the_function_that_the_native_pass_found() -> None:
    """The Python pass has the bytes, unless it explains far less."""
    [site] = first_sites(found(TRACED, replace(NATIVE, bytes_per_request=TRACED.bytes_per_request * 1.1)))
    assert (site.of_pass, site.function) == ("python", "JSON_DecodeObject (ujson)")
    [site] = first_sites(found(TRACED, replace(NATIVE, bytes_per_request=TRACED.bytes_per_request * 2)))
    assert site.of_pass == "native"
    [site] = first_sites(found(TRACED, replace(NATIVE, your_line="app.py:13")))
    assert site.function == ""


@pytest.mark.parametrize(
    ("kind", "holder", "name"),
    [
        (LOST_REFERENCE, "", "str, allocated at app.py:12, by JSON_DecodeObject (ujson)"),
        (NATIVE_MEMORY, "", "str, allocated at app.py:12, by JSON_DecodeObject (ujson)"),
        (LOST_REFERENCE, "app.cache", "str"),
        (CONTAINER, "", "str"),
    ],
)
def test_a_suspect_of_native_code_names_where_it_is_allocated(kind: str, holder: str, name: str) -> None:
    """No object holds it: the line and the function are what is known, of the largest. What is held has its holder."""
    arm = cast(Arm, SimpleNamespace(name="leaky", lives=()))
    suspect = replace(suspect_without_container(arm, kind, "str", "", UNKNOWN_RATES), holder=holder)
    growth = ArmGrowth("leaky", 5, (suspect, replace(suspect, name="frame")), (), None)
    [grown] = with_places([growth], [found(TRACED, NATIVE)])
    assert [one.name for one in grown.suspects] == [name, "frame"]
    [grown] = with_places([growth], [found(reason="no probe")])
    assert grown.suspects[0].name == "str"
