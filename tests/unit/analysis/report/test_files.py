from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from analysis.recording.replay import read_replay, sites_csv
from analysis.report.files import csv_text
from soak.contract import SITES
from tests.support.planted_replay import SITE


@dataclass(frozen=True)
class Row:
    name: str
    value: float | None


def cells(row: Row) -> list[str]:
    """Return the cells of a row as any reader of CSV has them."""
    _, found = csv.reader(csv_text(Row, [row]).splitlines())
    return found


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "@app.get('/')",
        "+cmd|' /C calc'!A0",
        "-cmd",
        "\t=1",
        "-1+cmd|' /C calc'!A0",
        "-2 B to =1",
        '=HYPERLINK("x","y")',
        "-",
    ],
)
def test_a_text_of_the_target_is_no_formula(text: str) -> None:
    """A spreadsheet takes what begins with an apostrophe for a text; nothing else of it is changed."""
    assert cells(Row(text, -1.5)) == [f"'{text}", "-1.5"]


@pytest.mark.parametrize(
    "text",
    [
        "-74%",
        "+1.00",
        "-1,240",
        "-12 B to 61 B",
        "-1.2 KiB to -3 B",
        "-0.9 open sessions/h",
        "shop.cart['@x']",
        "'quoted'",
        "a=b",
        "",
    ],
)
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    """Numbers and intervals with their units among them."""
    assert cells(Row(text, None)) == [text, ""]


def test_the_sites_of_a_recording_are_read_as_they_were_written(tmp_path: Path) -> None:
    """They are no file of the report: a line of code that begins with @ comes back without an apostrophe."""
    planted = replace(SITE, source="@app.get('/')")
    (tmp_path / SITES).write_text(sites_csv((planted,)))
    assert [one.source for one in read_replay(tmp_path).sites] == ["@app.get('/')"]
