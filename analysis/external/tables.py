"""What every reader returns, and the readers of files with a header: a CSV by its columns, psrecord, docker."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from analysis.external.cells import CellColumn, are_ordinals, are_times
from analysis.formatting import MIB
from soak.contract.evidence import MIN_READINGS_UNDER_LOAD
from soak.errors import RecordingError

DELIMITERS: Final = (",", ";", "\t", "|", " ")
PSRECORD_CSV: Final = ["elapsed_time", "nproc", "cpu", "mem_real", "mem_virtual"]
"""First columns of ``psrecord --log-format csv``; its memory is in MiB."""
DOCKER_NAMES: Final = ("name", "container", "container name", "container id", "id")
DOCKER_MEMORY: Final = re.compile(r"mem ?usage(?: ?/ ?limit)?|memory usage(?: ?/ ?limit)?")
MOST_NAMES_SHARE: Final = 0.9
"""Processes, as a share of the rows, above which the column that names them is none of processes."""
TIME_NAMES: Final = ("time", "timestamp", "date", "datetime", "elapsed")

Row = tuple[int, int, str, str, str]
"""A reading: its line, the number of starts up to it, its process, time and memory."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a CSV by what they hold, and their units in seconds and bytes."""

    time: str
    rss: str
    time_s: float | None = None
    """Unit of the times in seconds; None: that of the column's name, else seconds, refused where implausible."""
    rss_bytes: float | None = None
    """Unit of the memory in bytes; None: that of the column's name, else bytes, refused where implausible."""
    life: str = ""
    """The column that identifies the process: a pid, a start time, or one value throughout; empty: none does."""


@dataclass(frozen=True, slots=True)
class RecordedCells:
    """A recording as its reader found it: a row per reading, in the order of the file."""

    time: CellColumn
    rss: CellColumn
    process: list[str]
    """The process of each row, by its name or pid; empty where the file has one process or does not name it."""
    start: list[int]
    """Number of starts that the file marks up to each row: lines CMDLINE, a header in its middle."""
    identified: bool
    """Whether the file identifies the process of every row, so that a pause is no restart."""
    time_s: float | None = None
    rss_bytes: float | None = None

    @classmethod
    def of(
        cls,
        path: Path,
        names: tuple[str, str],
        rows: Sequence[Row],
        *,
        identified: bool,
        units: tuple[float | None, float | None],
    ) -> RecordedCells:
        """Return the cells of rows; ``names`` and ``units`` are of time and memory."""
        lines = [row[0] for row in rows]
        return cls(
            time=CellColumn(path, names[0], [row[3] for row in rows], lines),
            rss=CellColumn(path, names[1], [row[4] for row in rows], lines),
            process=[row[2] for row in rows],
            start=[row[1] for row in rows],
            identified=identified,
            time_s=units[0],
            rss_bytes=units[1],
        )

    def reversed(self) -> RecordedCells:
        """Return the rows from the last to the first, of a file without starts."""

        def turned(column: CellColumn) -> CellColumn:
            return replace(column, cells=column.cells[::-1], rows=column.rows[::-1])

        return replace(
            self,
            time=turned(self.time),
            rss=turned(self.rss),
            process=self.process[::-1],
            start=self.start[::-1],
        )


def read_csv(path: Path, text: str, columns: Columns, *, identified: bool | None = None) -> RecordedCells:
    """Read a table by its columns; the delimiter is the one that yields them.

    ``identified`` is by default whether a life column has one value throughout or numbers and times alone: a name, as
    of a pod, stays when its process is started again. An empty cell of it continues the process before. A header in
    the middle is a start, unless there is one before each reading. Raises RecordingError without the columns, where two
    have one name, and at a row with too many cells.
    """
    rows = list(_readings(path, text, columns))
    if len(rows) >= MIN_READINGS_UNDER_LOAD and len({row[2] for row in rows}) > MOST_NAMES_SHARE * len(rows):
        raise RecordingError(
            f"{path}: --life-column {columns.life}: nearly every row has another value, as of a time or a count; name "
            "a column that stays the same while a process lives, as its pid."
        )
    if len({row[1:3] for row in rows}) == len(rows):  # as in a loop of ps
        rows = [(row[0], 0, *row[2:]) for row in rows]
    names = dict.fromkeys(row[2] for row in rows if row[2])
    first = next(iter(names), "")
    if identified is None:
        identified = bool(columns.life) and (len(names) < 2 or are_times(names)) and not are_ordinals(names)
    return RecordedCells.of(
        path,
        (columns.time, columns.rss),
        [(line, starts, name or first, time, rss) for line, starts, name, time, rss in rows],
        identified=identified,
        units=(columns.time_s, columns.rss_bytes),
    )


def read_known_csv(path: Path, text: str) -> RecordedCells | None:
    """Read the CSV of psrecord, or one with the columns of ``docker stats`` and a time; None when it is neither.

    Raises RecordingError where only the time is missing.
    """
    for delimiter in DELIMITERS[:-1]:
        header = _first_row(path, text, delimiter)
        if header[: len(PSRECORD_CSV)] == PSRECORD_CSV:
            return read_csv(path, text, Columns("elapsed_time", "mem_real", 1.0, MIB), identified=True)
        plain = {re.sub(r"[_\s]+", " ", _spaced(name)).strip().lower(): name for name in header}
        time = next((plain[name] for name in TIME_NAMES if name in plain), None)
        name = next((plain[name] for name in DOCKER_NAMES if name in plain), None)
        memory = next((plain[name] for name in plain if DOCKER_MEMORY.fullmatch(name)), None)
        if name and memory and not time:
            raise RecordingError(
                f"{path}: row 1: no column has the time ({', '.join(TIME_NAMES)}); name it by --time-column, and the "
                f"others by --rss-column {memory!r} and --life-column {name!r}, or record it."
            )
        if time and name and memory:
            # A container keeps its name when it is started again.
            return read_csv(path, text, Columns(time, memory, life=name), identified=False)
    return None


def _readings(path: Path, text: str, columns: Columns) -> Iterator[Row]:
    """Yield the rows that are no header and not empty; raises RecordingError at one with too many cells."""
    delimiter, header = _checked_header(path, text, columns)
    at_time, at_rss = header.index(columns.time), header.index(columns.rss)
    at_life = header.index(columns.life) if columns.life else None
    start, process = 0, ""
    for line, cells in _csv_rows(path, text, delimiter):
        if not any(cells):
            continue
        if _names(cells) == header:
            start += 1
            continue
        if any(cells[len(header) :]):
            raise RecordingError(
                f"{path}: row {line} has {len(cells)} cells, the header {len(header)}; correct the row, or "
                "quote cells that contain the delimiter."
            )
        cells.extend([""] * (len(header) - len(cells)))
        process = cells[at_life].strip() or process if at_life is not None else ""
        yield line, start, process, cells[at_time], cells[at_rss]


def _checked_header(path: Path, text: str, columns: Columns) -> tuple[str, list[str]]:
    """Return the delimiter and the header; raises RecordingError unless each of the columns is there once."""
    options = (
        ("--time-column", columns.time),
        ("--rss-column", columns.rss),
        ("--life-column", columns.life),
    )
    delimiter, header = _header(path, text, [name for _, name in options if name])
    for option, name in options:
        if name and name not in header:
            raise RecordingError(f"{path}: {option} {name}: no such column; it has {', '.join(header)}.")
        if header.count(name) > 1:  # as of series that were joined: one of them may leak
            raise RecordingError(
                f"{path}: {option} {name}: {header.count(name)} columns have this name; give each a name of its own in "
                "the header, and judge one after the other."
            )
    return delimiter, header


def _header(path: Path, text: str, needed: list[str]) -> tuple[str, list[str]]:
    """Return the delimiter and the header; where none yields the columns, those with the most names."""
    headers = [(delimiter, _first_row(path, text, delimiter)) for delimiter in DELIMITERS]
    for delimiter, header in headers:
        if set(needed) <= set(header):
            return delimiter, header
    return max(headers[:-1], key=lambda found: len(found[1]))


def _first_row(path: Path, text: str, delimiter: str) -> list[str]:
    return next((_names(cells) for _, cells in _csv_rows(path, text, delimiter) if any(cells)), [])


def _csv_rows(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the line, from 1, and the cells of each row; raises RecordingError where it is no CSV."""
    reader = csv.reader(text.splitlines(), delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise RecordingError(f"{path}: row {reader.line_num}: not readable as CSV ({error}).") from None


def _names(cells: list[str]) -> list[str]:
    """Return the names of a header, without the mark of a comment and empty cells at the end."""
    names = [cell.strip() for cell in cells]
    if names:
        names[0] = names[0].removeprefix("#").strip()
    while names and not names[-1]:
        names.pop()
    return names


def _spaced(name: str) -> str:
    """Return docker's ``MemUsage`` as ``Mem Usage``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
