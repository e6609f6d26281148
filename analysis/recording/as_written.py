"""Reading a CSV file of a recording that is all as a run writes it, block by block."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Set
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api.types import union_categoricals

from soak.regular_files import MOST_TABLE_BYTES, open_regular

AMOUNTS: Final = (0.0, 2.0**64)
"""Least and greatest number that is counted, sized or numbered; a limit that is not set is 2**64 - 1."""
LONGEST: Final = (-1e10, 1e10)
"""Least and greatest time, seconds, three centuries: one beyond is damage, and no date."""
SHORT_ROWS_BYTES: Final = 256 << 20
SHORT_ROWS_TIMES: Final = 32
"""Memory that rows may take, bytes, and times the bytes of their file, whichever is more: a row as a run writes it has
a comma for each column, so its numbers take no more than eight times its bytes."""
BLOCK_BYTES: Final = 2 << 20
"""Bytes of a file that are parsed at a time: a larger block does not stay in the processor's cache, and the memory of
each is taken from the system and given back; a smaller one takes more time for its start."""
NO_MARKS: Final = bytes(set(range(256)) - set(b'\n,"'))
"""Bytes that neither end a cell nor a line, nor quote one."""
TextKind = Literal["str", "category"]
NUMBER: Final = re.compile(r"\s*[+-]?(\d{1,39}(\.\d{0,39})?|\.\d{1,39})([eE][+-]?\d{1,3})?\s*", re.ASCII)
"""A cell that is a number; longer ones are written by no run."""


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
    checked_only: Set[str] = frozenset()
    """Numbers that are checked as all others, and not kept."""

    @property
    def kept(self) -> list[str]:
        """The numbers that are kept."""
        return [name for name in self.numbers if name not in self.checked_only]

    def no_rows(self) -> pd.DataFrame:
        """Return the columns without a row."""
        return pd.DataFrame(
            {name: pd.Series(dtype=float) for name in self.kept}
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

    What is appended meanwhile is left out. Raises OSError as ``open_regular``, UnreadableError as
    ``refuse_short_rows``.
    """
    texts: dict[str, list[pd.Series[Any]]] = {name: [] for name in columns.texts}
    with open_regular(path, MOST_TABLE_BYTES) as file:
        size = os.fstat(file.fileno()).st_size
        count = sum(part.count(b"\n") for part in iter(lambda: file.read(BLOCK_BYTES), b""))
        file.seek(0)
        head, done = file.readline(BLOCK_BYTES), 0
        if count * len(head_names(head)) > size:
            return None  # lines without a cell for each column
        refuse_short_rows(count, size, columns)
        numbers = np.empty((len(columns.kept), max(count - 1, 0)))
        while lines := whole_lines(file, min(BLOCK_BYTES, size - file.tell())):
            block = _block_as_written(head, lines, columns)
            if block is None or done + block.numbers.shape[1] >= count:
                return None
            done += block.numbers.shape[1]
            numbers[:, done - block.numbers.shape[1] : done] = block.numbers
            for name, parts in texts.items():
                parts.append(block.texts[name])
        torn = size - file.tell()
    if not done or done < count - 1:
        return None
    frame = pd.DataFrame(numbers.T, columns=columns.kept, copy=False)
    join = union_categoricals if columns.text_kind == "category" else partial(pd.concat, ignore_index=True)
    frame = frame.assign(**{name: join(parts) for name, parts in texts.items()})
    return FileRows(head_names(head), frame, torn > 0)


def refuse_short_rows(count: int, size: int, columns: Columns) -> None:
    """Raise UnreadableError for rows so short that those of a small file would fill the memory."""
    if count * len(columns.kept) * 8 > max(SHORT_ROWS_BYTES, SHORT_ROWS_TIMES * size):
        raise UnreadableError(f"not readable ({count:,} rows in {size:,} bytes)")


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
    block = _block_as_written(head, lines, columns)
    if block is None:
        return None
    return pd.DataFrame(block.numbers.T, columns=columns.kept).assign(**block.texts)


@dataclass(frozen=True, slots=True)
class _Block:
    """The columns of some rows: the numbers that are kept, as a matrix with a row for each, and the texts."""

    numbers: npt.NDArray[np.float64]
    texts: dict[str, pd.Series[Any]]


def _block_as_written(head: bytes, lines: bytes, columns: Columns) -> _Block | None:
    try:
        names = _plain_names(head, lines)
        kinds: dict[str, str] = dict.fromkeys((*columns.texts, "arm"), columns.text_kind)
        kinds |= dict.fromkeys(columns.numbers, "float")
        empty = {name: [""] for name in columns.numbers}
        cells = read_csv(head + lines, columns, dtype=kinds, na_values=empty) if names else None
    except (ValueError, OverflowError, csv.Error):  # ParserError and UnicodeDecodeError are ValueErrors
        return None
    if cells is None or len(cells) != lines.count(b"\n") or not _all_have(lines, len(names)):
        return None
    if columns.arm and "arm" in cells and not cells["arm"].isin(("", columns.arm)).all():
        return None
    given = [name for name in columns.numbers if name in cells]
    read = cells[given].to_numpy().T
    try:
        if not _are_ours(read, given, lines, names):
            return None
    except csv.Error:  # a cell in that line is longer than csv reads
        return None
    places = {name: place for place, name in enumerate(given)}
    numbers = np.full((len(columns.kept), len(cells)), np.nan)
    for place, name in enumerate(columns.kept):
        if name in places:
            numbers[place] = read[places[name]]
    absent = pd.Series("", index=cells.index, dtype=columns.text_kind)
    return _Block(numbers, {name: cells.get(name, absent) for name in columns.texts})


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


def _are_ours(numbers: npt.NDArray[np.float64], columns: list[str], lines: bytes, names: list[str]) -> bool:
    """Return whether each number is in the range of its column, a time is in every row, and no column is words.

    A column of nothing but ``True`` and ``False`` is words, which the parser takes for 1 and 0.
    """
    ranges = np.array([LONGEST if name == "t_s" else AMOUNTS for name in columns])
    # NaN, a reading that was not taken, is neither the least nor the greatest.
    least, most = np.fmin.reduce(numbers, axis=1), np.fmax.reduce(numbers, axis=1)
    if (
        (least < ranges[:, 0]).any()
        or (most > ranges[:, 1]).any()
        or np.isnan(numbers[columns.index("t_s")]).any()
    ):
        return False
    may_be_words = np.flatnonzero(most <= 1)
    first_read = {int(at): int(np.isfinite(numbers[at]).argmax()) for at in may_be_words}
    cells = {row: _cells_of_line(lines, row) for row in set(first_read.values())}
    return all(NUMBER.fullmatch(cells[row][names.index(columns[at])]) for at, row in first_read.items())


def _cells_of_line(lines: bytes, number: int) -> list[str]:
    line = next(islice(BytesIO(lines), number, None))
    return next(csv.reader([line.removesuffix(b"\n").decode()]))


def _all_have(lines: bytes, cells: int) -> bool:
    """Return whether every line has as many cells: the parser fills up a line with fewer and cuts one with more."""
    marks = lines.translate(None, NO_MARKS).replace(b'""', b"")  # what is between two quotes stays in quotes
    between_cells = b"".join(marks.split(b'"')[::2])
    return between_cells == (b"," * (cells - 1) + b"\n") * lines.count(b"\n")


def head_names(head: bytes) -> list[str]:
    """Return the names of the columns; raises UnreadableError for a head that is no line of CSV."""
    try:
        return next(csv.reader([head.decode("utf-8", "replace")]), [])
    except csv.Error as error:
        raise UnreadableError(f"not readable ({error})") from None


def read_csv(content: bytes, columns: Columns, **options: Any) -> pd.DataFrame:
    """Return the cells of these columns, and of ``arm``, that a file has; raises as pandas."""
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
