"""Reading a CSV file of a recording, also one that was cut short, damaged or changed."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Set
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import numpy as np
import pandas as pd
from pandas.api.types import union_categoricals

from soak.regular_files import MOST_TABLE_BYTES, open_regular, read_regular

AMOUNTS: Final = (0.0, 2.0**64)
"""Least and greatest number that is counted, sized or numbered; a limit that is not set is 2**64 - 1."""
LONGEST: Final = (-1e12, 1e12)
"""Least and greatest time, seconds: one beyond is damage."""
BLOCK_BYTES: Final = 8 << 20
"""Bytes of a file that are parsed at a time; larger blocks take more memory and no less time."""
TextKind = Literal["str", "category"]
NUMBER: Final = re.compile(r"\s*[+-]?(\d{1,39}(\.\d{0,39})?|\.\d{1,39})([eE][+-]?\d{1,3})?\s*", re.ASCII)
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
    text_kind: TextKind = "str",
) -> CsvTable:
    """Read the columns ``numbers`` (float, NaN = not read) and ``texts`` ("" = empty), sorted by ``t_s``.

    ``t_s`` must be among the numbers; a row without it is dropped. Damage never raises: ``gaps`` states it, also rows
    that are doubled, out of order, or of another arm than ``arm``, but not the absence of a column in ``optional``, nor
    without ``required`` that of the file, of its rows or of the end of its last line.
    """
    columns = Columns(numbers, texts, arm, text_kind)
    try:
        table = read_as_written(path, columns)
        if table is None:
            table = read_damaged(read_regular(path, MOST_TABLE_BYTES), columns)
    except FileNotFoundError as error:
        missing = (f"{path.name} is missing ({error.strerror})",) if required else ()
        return CsvTable(columns.no_rows(), missing)
    except (OSError, UnreadableError) as error:
        why = f"not readable ({error.strerror})" if isinstance(error, OSError) else str(error)
        return CsvTable(columns.no_rows(), (f"{path.name} is {why}",))
    frame = table.frame
    gaps = ["its last line is torn and was dropped"] if table.torn and required else []
    gaps += [*_of_columns(table.names, (*numbers, *texts), optional), *table.gaps, *_of_rows(frame, rows)]
    if table.others:
        gaps.append(f"{table.others} rows are of another arm")
    if frame.empty and required:
        gaps.append("it has no rows")
    if not frame["t_s"].is_monotonic_increasing:
        frame = frame.sort_values("t_s", kind="stable", ignore_index=True)
    return CsvTable(frame, tuple(f"{path.name}: {gap}" for gap in gaps))


class UnreadableError(Exception):
    """A file of which no row can be read; its text is the reason, a predicate."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are read of a file, and whose rows it has."""

    numbers: tuple[str, ...]
    texts: tuple[str, ...]
    arm: str = ""
    """The arm of every row; empty: it does not matter."""
    text_kind: TextKind = "str"
    """category for texts with few values in many rows."""

    def no_rows(self) -> pd.DataFrame:
        """Return the columns without a row."""
        return pd.DataFrame(
            {name: pd.Series(dtype=float) for name in self.numbers}
            | {name: pd.Series(dtype=self.text_kind) for name in self.texts}
        )


@dataclass(frozen=True, slots=True)
class FileRows:
    """The rows of a file in its order, and what is to be said about them."""

    names: list[str]
    """The columns of its head."""
    frame: pd.DataFrame
    torn: bool
    """Whether its last line has no end."""
    gaps: tuple[str, ...] = ()
    others: int = 0
    """Rows of another arm."""


def read_as_written(path: Path, columns: Columns) -> FileRows | None:
    """Read a file block by block, each with one pass of the parser; None for one that is not all as a run writes it.

    What is appended meanwhile is left out. Raises OSError as ``open_regular``.
    """
    texts: dict[str, list[pd.Series[Any]]] = {name: [] for name in columns.texts}
    with open_regular(path, MOST_TABLE_BYTES) as file:
        size = os.fstat(file.fileno()).st_size
        count = sum(part.count(b"\n") for part in iter(lambda: file.read(BLOCK_BYTES), b""))
        file.seek(0)
        head, done = file.readline(BLOCK_BYTES), 0
        numbers = np.empty((len(columns.numbers), max(count - 1, 0)))
        while lines := whole_lines(file, min(BLOCK_BYTES, size - file.tell())):
            if (block := rows_as_written(head, lines, columns)) is None or done + len(block) >= count:
                return None
            numbers[:, done : done + len(block)] = block[list(columns.numbers)].to_numpy().T
            done += len(block)
            for name, parts in texts.items():
                parts.append(block[name])
        torn = size - file.tell()
    if not done or done < count - 1:
        return None
    frame = pd.DataFrame(numbers.T, columns=list(columns.numbers), copy=False)
    join = union_categoricals if columns.text_kind == "category" else partial(pd.concat, ignore_index=True)
    frame = frame.assign(**{name: join(parts) for name, parts in texts.items()})
    return FileRows(head_names(head), frame, torn > 0)


def whole_lines(file: BinaryIO, most_bytes: int) -> bytes:
    """Return the lines that follow, as many as fit, and leave the file behind them; empty where none ends."""
    content = file.read(most_bytes)
    lines = content[: content.rfind(b"\n") + 1]
    file.seek(len(lines) - len(content), os.SEEK_CUR)
    return lines


def rows_as_written(head: bytes, lines: bytes, columns: Columns) -> pd.DataFrame | None:
    """Return the rows in whole lines below a head; None where anything in them is as no run writes it.

    A row is a line and has a time, every cell and the arm; every number is in its range, every text UTF-8.
    """
    try:
        names = _plain_names(head, lines)
        kinds: dict[str, str] = dict.fromkeys((*columns.texts, "arm"), columns.text_kind)
        kinds |= dict.fromkeys(columns.numbers, "float")
        empty = {name: [""] for name in columns.numbers}
        cells = _read_csv(head + lines, columns, dtype=kinds, na_values=empty) if names else None
    except (ValueError, OverflowError, csv.Error):  # ParserError and UnicodeDecodeError are ValueErrors
        return None
    if cells is None or len(cells) != lines.count(b"\n") or not _all_have(lines, len(names)):
        return None
    numbers = [cells[name] for name in columns.numbers if name in cells]
    if not all(_in_range(one) and not _is_words(one, lines, names) for one in numbers):
        return None
    if columns.arm and "arm" in cells and not cells["arm"].isin(("", columns.arm)).all():
        return None
    absent = {name: "" for name in columns.texts if name not in cells}
    cells = cells.reindex(columns=[*columns.numbers, *columns.texts]).assign(**absent)
    return cells.astype(dict.fromkeys(columns.texts, columns.text_kind))


def _plain_names(head: bytes, lines: bytes) -> list[str]:
    """Return the names of the columns; none where head or lines are such that the parser would find other rows.

    Raises UnicodeDecodeError for what is no UTF-8, csv.Error for a first line that is no CSV.
    """
    names, first = head_names(head), lines[: lines.index(b"\n")].decode()
    if not head.endswith(b"\n") or b"\r" in lines or len(set(names)) < len(names) or "t_s" not in names:
        return []
    if len(next(csv.reader([first]), [])) != len(names):
        return []  # with more, it would take the first cell of every line for the name of its row
    if not (head.isascii() and lines.isascii()):
        (head + lines).decode()
    return names


def _in_range(numbers: pd.Series[float]) -> bool:
    """Return whether each number of a column is one of ours; a time is in every row."""
    least, most = LONGEST if numbers.name == "t_s" else AMOUNTS
    beyond = (numbers < least) | (numbers > most)  # NaN, a reading that was not taken, is neither
    return not beyond.any() and not (numbers.name == "t_s" and numbers.isna().any())


def _is_words(numbers: pd.Series[float], lines: bytes, names: list[str]) -> bool:
    """Return whether a column is nothing but ``True`` and ``False``, which the parser takes for 1 and 0."""
    read = np.flatnonzero(numbers.notna())
    if not len(read) or numbers.max() > 1:
        return False
    line = lines.split(b"\n", int(read[0]) + 1)[read[0]]
    return not NUMBER.fullmatch(next(csv.reader([line.decode()]))[names.index(str(numbers.name))])


def _all_have(lines: bytes, cells: int) -> bool:
    """Return whether every line has as many cells: the parser fills up a line with fewer and cuts one with more."""
    content = np.frombuffer(lines, np.uint8)
    end, comma, quote = b'\n,"'
    marks = content[(content == end) | (content == comma) | (content == quote)]
    in_quotes = np.logical_xor.accumulate(marks == quote)
    between_cells = np.cumsum((marks == comma) & ~in_quotes)
    return bool((np.diff(between_cells[marks == end], prepend=0) == cells - 1).all())


def head_names(head: bytes) -> list[str]:
    """Return the names of the columns; raises UnreadableError for a head that is no line of CSV."""
    try:
        return next(csv.reader([head.decode("utf-8", "replace")]), [])
    except csv.Error as error:
        raise UnreadableError(f"not readable ({error})") from None


def read_damaged(content: bytes, columns: Columns) -> FileRows:
    """Return the rows of a file of which some part is as no run writes it; raises UnreadableError for none."""
    lines, newline, torn = content.rpartition(b"\n")
    del content
    try:
        names = head_names(lines.partition(b"\n")[0])
        cells = _parse(lines + newline, columns)
    except pd.errors.EmptyDataError:
        raise UnreadableError("empty") from None
    except pd.errors.ParserError as error:
        raise UnreadableError(f"not readable ({error})") from None
    gaps = []
    frame, unread = _numbers_and_texts(cells, columns)
    if len(frame) == lines.count(b"\n"):  # else lines are damaged, and which row stands in which is not known
        frame = frame.loc[_has_all_cells(lines, len(names))]
    frame = frame.dropna(subset="t_s")
    if damaged := lines.count(b"\n") - len(frame):
        gaps.append(f"{damaged} damaged lines were dropped")
    if lines.decode("utf-8", "ignore").encode() != lines:
        gaps.append("it has bytes that are no text in UTF-8")
    others = int((~cells["arm"].isin(("", columns.arm))).sum()) if columns.arm else 0
    return FileRows(names, frame, bool(torn), (*gaps, *unread), others)


def _parse(content: bytes, columns: Columns) -> pd.DataFrame:
    """Return the cells of these columns: numbers as floats where all are, else as text, missing columns empty."""
    texts = (*columns.texts, "arm")
    options: dict[str, Any] = {"na_values": [""], "on_bad_lines": "skip", "encoding_errors": "replace"}
    try:
        kinds = dict.fromkeys(texts, str) | dict.fromkeys(columns.numbers, float)
        frame = _read_csv(content, columns, dtype=kinds, **options)
    except (ValueError, OverflowError) as error:
        if isinstance(error, pd.errors.EmptyDataError | pd.errors.ParserError):
            raise
        frame = _read_csv(content, columns, dtype=str, **options)
    frame = frame.reindex(columns=list(dict.fromkeys((*columns.numbers, *texts))))
    frame["arm"] = frame["arm"].astype(object).fillna("").astype(str)
    return frame


def _read_csv(content: bytes, columns: Columns, **options: Any) -> pd.DataFrame:
    wanted = {*columns.numbers, *columns.texts, "arm"}
    found: pd.DataFrame = pd.read_csv(
        BytesIO(content),
        usecols=lambda name: name in wanted,
        keep_default_na=False,
        low_memory=False,
        header=0,
        **options,
    )
    return found


def _numbers_and_texts(cells: pd.DataFrame, wanted: Columns) -> tuple[pd.DataFrame, list[str]]:
    """Return the columns, and a sentence on the cells that hold no number of ours and count as not read."""
    columns, unread, named = {}, 0, ""
    for name in wanted.numbers:
        least, most = LONGEST if name == "t_s" else AMOUNTS
        given = cells[name]
        values = given if given.dtype == float else given.map(_number, na_action="ignore").astype(float)
        columns[name] = values.where((values >= least) & (values <= most))
        if name != "t_s" and (bad := int((given.notna() & columns[name].isna()).sum())):
            unread, named = unread + bad, named or name
    texts = {name: cells[name].astype(object).fillna("").astype(str) for name in wanted.texts}
    frame = pd.DataFrame(columns | texts).astype(dict.fromkeys(wanted.texts, wanted.text_kind))
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
    t_s = frame["t_s"]
    if (np.diff(t_s.to_numpy()) > 0).all():
        return []
    doubled = frame.duplicated(list(rows.identity) or None)
    if doubled.any():
        first_s = frame.loc[doubled, "t_s"].iloc[0]
        gaps.append(f"{doubled.sum()} rows are there twice, the first at t_s {first_s:.3f}")
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
