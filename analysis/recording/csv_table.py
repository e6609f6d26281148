"""Reading a CSV file of a recording, also one that was cut short, damaged or changed."""

from __future__ import annotations

import csv
import re
from collections.abc import Set
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import pandas as pd

from soak.regular_files import MOST_TABLE_BYTES, read_regular

AMOUNTS: Final = (0.0, 2.0**64)
"""Least and greatest number that is counted, sized or numbered; a limit that is not set is 2**64 - 1."""
LONGEST: Final = (-1e12, 1e12)
"""Least and greatest time, seconds: one beyond is damage."""
NUMBER: Final = re.compile(r"\s*[+-]?(\d{1,39}(\.\d{0,39})?|\.\d{1,39})([eE][+-]?\d{1,3})?\s*")
"""A cell that is a number; longer ones are written by no run."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What holds for the rows of every file of one name, as a run writes it."""

    identity: tuple[str, ...] = ()
    """Columns by which a row is unlike every other; empty: all that are read."""
    ordered_within: str = ""
    """Column within whose values ``t_s`` never goes back; empty: it never does."""
    slack_s: float = 0.0
    """Seconds by which ``t_s`` may go back all the same, as threads share the file."""


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The readable rows of a file, and sentences on what was not readable or is not as a run writes it."""

    frame: pd.DataFrame
    gaps: tuple[str, ...] = ()


def read_table(
    path: Path,
    numbers: tuple[str, ...],
    texts: tuple[str, ...],
    *,
    optional: Set[str] = frozenset(),
    rows: Rows = Rows(),
    arm: str = "",
    required: bool = True,
) -> CsvTable:
    """Read the columns ``numbers`` (float, NaN = not read) and ``texts`` ("" = empty), sorted by ``t_s``.

    ``t_s`` must be among the numbers; a row without it is dropped. Damage never raises: ``gaps`` states it, also rows
    that are doubled, out of order, or of another arm than ``arm``, but not the absence of a column in ``optional``, nor
    without ``required`` that of the file, of its rows or of the end of its last line.
    """
    try:
        content = read_regular(path, MOST_TABLE_BYTES)
    except FileNotFoundError as error:
        missing = (f"{path.name} is missing ({error.strerror})",) if required else ()
        return CsvTable(_empty(numbers, texts), missing)
    except OSError as error:
        return CsvTable(_empty(numbers, texts), (f"{path.name} is not readable ({error.strerror})",))
    lines, newline, torn = content.rpartition(b"\n")
    del content
    gaps = ["its last line is torn and was dropped"] if torn and required else []
    try:
        names = next(csv.reader([lines.partition(b"\n")[0].decode("utf-8", "replace")]), [])
        cells = _parse(lines + newline, numbers, (*texts, "arm"))
    except pd.errors.EmptyDataError:
        return CsvTable(_empty(numbers, texts), (f"{path.name} is empty",))
    except (pd.errors.ParserError, csv.Error) as error:
        return CsvTable(_empty(numbers, texts), (f"{path.name} is not readable ({error})",))
    gaps += _of_columns(names, (*numbers, *texts), optional)
    frame, unread = _numbers_and_texts(cells, numbers, texts)
    if len(frame) == lines.count(b"\n"):  # else lines are damaged, and which row stands in which is not known
        frame = frame.loc[_has_all_cells(lines, len(names))]
    frame = frame.dropna(subset="t_s")
    if damaged := lines.count(b"\n") - len(frame):
        gaps.append(f"{damaged} damaged lines were dropped")
    if not lines.isascii() and not _is_utf_8(lines):
        gaps.append("it has bytes that are no text in UTF-8")
    gaps += [*unread, *_of_rows(frame, rows)]
    if arm and (others := int((~cells["arm"].isin(("", arm))).sum())):
        gaps.append(f"{others} rows are of another arm")
    if frame.empty and required:
        gaps.append("it has no rows")
    frame = frame.sort_values("t_s", kind="stable", ignore_index=True)
    return CsvTable(frame, tuple(f"{path.name}: {gap}" for gap in gaps))


def _parse(content: bytes, numbers: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    """Return the cells of these columns: numbers as floats where all are, else as text, missing columns empty."""
    wanted = {*numbers, *texts}
    options: dict[str, Any] = {
        "usecols": lambda name: name in wanted,
        "keep_default_na": False,
        "na_values": [""],
        "on_bad_lines": "skip",
        "encoding_errors": "replace",
        "low_memory": False,
        "header": 0,
    }
    kinds = dict.fromkeys(texts, str)
    try:
        frame: pd.DataFrame = pd.read_csv(
            BytesIO(content), dtype=kinds | dict.fromkeys(numbers, float), **options
        )
    except (ValueError, OverflowError) as error:
        if isinstance(error, pd.errors.EmptyDataError | pd.errors.ParserError):
            raise
        frame = pd.read_csv(BytesIO(content), dtype=str, **options)
    frame = frame.reindex(columns=list(dict.fromkeys((*numbers, *texts))))
    frame["arm"] = frame["arm"].astype(object).fillna("").astype(str)
    return frame


def _numbers_and_texts(
    cells: pd.DataFrame, numbers: tuple[str, ...], texts: tuple[str, ...]
) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns, and a sentence on the cells that hold no number of ours and count as not read."""
    columns, unread, named = {}, 0, ""
    for name in numbers:
        least, most = LONGEST if name == "t_s" else AMOUNTS
        given = cells[name]
        values = given if given.dtype == float else given.map(_number, na_action="ignore").astype(float)
        columns[name] = values.where((values >= least) & (values <= most))
        if name != "t_s" and (bad := int((given.notna() & columns[name].isna()).sum())):
            unread, named = unread + bad, named or name
    frame = pd.DataFrame(
        columns | {name: cells[name].astype(object).fillna("").astype(str) for name in texts}
    )
    return frame, [
        f"{unread} cells hold no number and count as not read, the first in column {named}"
    ] if unread else []


def _of_columns(names: list[str], wanted: tuple[str, ...], optional: Set[str]) -> list[str]:
    gaps = []
    if twice := sorted({name for name in names if names.count(name) > 1}):
        gaps.append(f"column {', '.join(twice)} is there twice")
    if absent := [name for name in wanted if name not in names and name not in optional]:
        gaps.append(f"it has no column {', '.join(absent)}")
    return gaps


def _of_rows(frame: pd.DataFrame, rows: Rows) -> list[str]:
    """Return sentences on rows that are there twice or go back in time; ``frame`` is in the order of the file."""
    gaps = []
    doubled = frame.duplicated(list(rows.identity) or None)
    if doubled.any():
        first_s = frame.loc[doubled, "t_s"].iloc[0]
        gaps.append(f"{doubled.sum()} rows are there twice, the first at t_s {first_s:.3f}")
    t_s = frame["t_s"]
    before = t_s.groupby(frame[rows.ordered_within]) if rows.ordered_within else t_s
    back = t_s < before.shift() - rows.slack_s
    if back.any():
        first_s = frame.loc[back, "t_s"].iloc[0]
        gaps.append(f"time goes back in {back.sum()} rows, the first at t_s {first_s:.3f}")
    return gaps


def _has_all_cells(lines: bytes, cells: int) -> list[bool]:
    """Return of each line but the first whether it has as many cells; of one with quotes, whether it has fewer."""
    return [
        (commas := line.count(b",")) == cells - 1 or (commas >= cells and b'"' in line)
        for line in lines.split(b"\n")[1:]
    ]


def _number(cell: str) -> float:
    return float(cell) if NUMBER.fullmatch(cell) else float("nan")


def _is_utf_8(lines: bytes) -> bool:
    try:
        lines.decode()
    except UnicodeDecodeError:
        return False
    return True


def _empty(numbers: tuple[str, ...], texts: tuple[str, ...]) -> pd.DataFrame:
    columns = {name: pd.Series(dtype=float) for name in numbers} | {
        name: pd.Series(dtype=str) for name in texts
    }
    return pd.DataFrame(columns)
