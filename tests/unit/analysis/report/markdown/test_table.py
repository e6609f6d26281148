from __future__ import annotations

import re

import pytest
from markdown_it import MarkdownIt

from analysis.report.markdown.table import literal, markdown_table
from analysis.report.tables import Table


@pytest.mark.parametrize(
    "text",
    ["app.__init__.cache", "shop.__main__ global _Cart._items_", "make.<locals>.handler of <lambda>", "~~gone~~",
     "<img src=x onerror=y>", "a*b*c `d` [e](f) ![g](h)", "&lt; &#60; R&D", "back\\slash \\_", "<!-- <?x </b>",
     "snake_case < 5 & 6 <= 7", "costs $x$ of issue #12"],
)  # fmt: skip
def test_a_text_is_read_as_it_is(text: str) -> None:
    """The names of Python's own modules, functions and types lose nothing, and nothing is an element of a page."""
    [paragraph] = [
        token for token in MarkdownIt().enable("strikethrough").parse(literal(text)) if token.children
    ]
    assert read(text).replace("\u200b", "") == text
    assert {child.type for child in paragraph.children or ()} <= {"text", "text_special"}


def read(text: str) -> str:
    """Return the literal of a text as a page has it, its entities decoded."""
    return "".join(
        child.content for token in MarkdownIt().parse(literal(text)) for child in token.children or ()
    )


@pytest.mark.parametrize(
    "text", ["ping @octocat now", "@app.get('/')", "mail me@example.org", "issue #181", "a/b#7"]
)
def test_nobody_is_mentioned_and_no_issue_is_named(text: str) -> None:
    """GitHub looks for both in the page, where entities are decoded: a space without width stands in between."""
    assert re.search(r"@\w|#\d", read(text)) is None
    assert read(text).replace("\u200b", "") == text


@pytest.mark.parametrize("text", ["9 @ 3", "C# and #", "see @"])
def test_a_sign_that_mentions_nothing_stays_as_it_is(text: str) -> None:
    """No letter and no digit follows it."""
    assert literal(text) == text


def test_plain_words_stay_as_they_are() -> None:
    """Where nothing would be markup, the file reads as well as its picture."""
    text = "min_time_to_oom <= 5 & any leak < 200 B per request (95%)"
    assert literal(text) == text


@pytest.mark.parametrize("note", ["# SIGNED OFF", "> quoted", "- listed", "+ listed", "=== under"])
def test_a_note_begins_no_heading_or_list(note: str) -> None:
    """It stands at the start of a line."""
    [line] = markdown_table(Table("", ("who",), (), note=note))
    tokens = MarkdownIt().parse(f"before\n\n{line}")
    assert [token.type for token in tokens if token.type.endswith("_open")] == ["paragraph_open"] * 2
    assert tokens[-2].children is not None
    assert "".join(child.content for child in tokens[-2].children) == note


def test_a_cell_ends_neither_its_row_nor_its_column() -> None:
    """A bar, a line break and a mention in a cell are part of it."""
    assert markdown_table(Table("", ("who",), (("a|b\nc @d",),))) == [
        "| who |",
        "| --- |",
        "| a&#124;b c @&#8203;d |",
    ]
