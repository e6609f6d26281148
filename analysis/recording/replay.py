"""The tables of a replay: its points, and the sites where what the arm retains was allocated. They are no evidence."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final, TypeVar

from analysis.recording.as_written import AMOUNTS, NUMBER
from analysis.recording.gauges import numbers_of
from soak.contract import PASSES, REPLAY, SITE_COLUMNS, SITES, names
from soak.errors import printable
from soak.regular_files import read_regular

MOST_ROWS: Final = 10_000
"""Rows of a table that are read; a replay writes some hundreds."""
LONGEST_CELL: Final = 20_000
"""Characters of a cell at most; frames take the most."""
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Point:
    """A point of a pass, at which what is live was traced."""

    of_pass: str
    number: int
    t_s: float
    """Time since the start of the pass's life, seconds."""
    requests: float
    """Requests answered before the point."""
    by_name: Mapping[str, float]
    """Those by name of the request; empty where they have none."""


@dataclass(frozen=True, slots=True)
class Site:
    """Where something that is retained was allocated: a row of sites.csv, whose columns its fields are."""

    of_pass: str
    rank: int
    your_line: str
    source: str
    in_line: str
    allocated_line: str
    task: str
    function: str
    bytes_per_request: float
    low: float | None
    high: float | None
    """With ``low`` the interval of bytes per request; None of a few large blocks."""
    blocks_per_request: float
    """Blocks per request; of a few large blocks their number."""
    share: float | None
    """Part of the arm's leak per request, 1 for all; None where that is not known."""
    endpoint: str
    frames: str


@dataclass(frozen=True, slots=True)
class ReplayFiles:
    """The points and sites of an arm, in the order of their files; none where it was not replayed."""

    points: tuple[Point, ...] = ()
    sites: tuple[Site, ...] = ()
    gaps: tuple[str, ...] = ()
    """Sentences on what is damaged. They decide nothing: a replay is no evidence."""


def read_replay(arm_dir: Path) -> ReplayFiles:
    """Read the two tables of an arm. Raises nothing: a damaged row is left out, and a gap."""
    points, gaps_of_points = _rows(arm_dir / REPLAY, _point)
    sites, gaps_of_sites = _rows(arm_dir / SITES, _site)
    return ReplayFiles(points, sites, (*gaps_of_points, *gaps_of_sites))


def sites_csv(sites: tuple[Site, ...]) -> str:
    """Return the text of sites.csv."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names(SITE_COLUMNS))
    for site in sites:
        cells = (getattr(site, _field(column.name)) for column in SITE_COLUMNS)
        writer.writerow("" if cell is None else cell for cell in cells)
    return text.getvalue()


def _field(column: str) -> str:
    return "of_pass" if column == "pass" else column


def _rows(path: Path, make: Callable[[Mapping[str, str]], Row]) -> tuple[tuple[Row, ...], tuple[str, ...]]:
    """Return the rows of a file, each made of its cells, and what is damaged; neither where there is no file."""
    found: list[Row] = []
    damaged = 0
    try:
        lines = csv.reader(io.StringIO(read_regular(path).decode(), newline=""))
        head = next(lines, [])
        for cells in islice(lines, MOST_ROWS):
            try:
                found.append(make(dict(zip(head, cells, strict=True))))
            except (KeyError, ValueError):  # a column is missing, or a cell is none of ours
                damaged += 1
    except FileNotFoundError:
        return (), ()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        why = error.strerror if isinstance(error, OSError) else error
        return tuple(found), (f"{path.name} is not readable ({why})",)
    return tuple(found), (f"{path.name}: {damaged} damaged rows were left out",) if damaged else ()


def _point(cells: Mapping[str, str]) -> Point:
    return Point(
        of_pass=_pass(cells["pass"]),
        number=int(_number(cells["point"])),
        t_s=_number(cells["t_s"]),
        requests=_number(cells["requests"]),
        by_name=numbers_of(cells["answered_by_name"]),
    )


def _site(cells: Mapping[str, str]) -> Site:
    numbers = {column.name: cells[column.name] for column in SITE_COLUMNS if column.kind == "number"}
    texts = {column.name: _text(cells[column.name]) for column in SITE_COLUMNS if column.kind == "text"}
    _pass(texts.pop("pass"))
    return Site(
        of_pass=cells["pass"],
        rank=int(_number(numbers["rank"])),
        bytes_per_request=_number(numbers["bytes_per_request"]),
        blocks_per_request=_number(numbers["blocks_per_request"]),
        low=_number(numbers["low"]) if numbers["low"] else None,
        high=_number(numbers["high"]) if numbers["high"] else None,
        share=_number(numbers["share"]) if numbers["share"] else None,
        **texts,
    )


def _pass(text: str) -> str:
    if text not in PASSES:
        raise ValueError("an unknown pass")
    return text


def _number(cell: str) -> float:
    """Return the number of a cell; raises ValueError where it is none of ours."""
    value = float(cell) if NUMBER.fullmatch(cell) else math.nan
    if not AMOUNTS[0] <= value <= AMOUNTS[1]:
        raise ValueError("no number")
    return value


def _text(cell: str) -> str:
    if len(cell) > LONGEST_CELL:
        raise ValueError("too long a text")
    return printable(cell).replace("\n", " ")
