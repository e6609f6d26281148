"""Following a file to which another process appends: a log, or a CSV file of the recording."""

from __future__ import annotations

import csv
import math
import os
from pathlib import Path
from typing import Final

from soak.regular_files import open_regular

MOST_BYTES: Final = 1 << 18
"""Bytes read at one look: what a whole minute of sampling writes. A line that is longer is cut there."""

CsvRow = dict[str, str]


class LineTail:
    """Reads the lines appended since the last look: whole lines only, ``most_bytes`` (MOST_BYTES) at most at one look.

    A file that does not exist yet has no lines; one that was truncated is read from its start.
    """

    def __init__(self, path: Path, *, offset: int = 0, most_bytes: int | None = None) -> None:
        self._path = path
        self._most_bytes = most_bytes or MOST_BYTES
        self._offset = offset

    def new_lines(self) -> list[str]:
        """Return the new lines, without their ends."""
        try:
            with open_regular(self._path) as file:
                if os.fstat(file.fileno()).st_size < self._offset:
                    self._offset = 0
                file.seek(self._offset)
                part = file.read(self._most_bytes)
        except OSError:
            # not there yet, gone with its directory, or out of descriptors: a later look may succeed
            return []
        end = part.rfind(b"\n") + 1
        if len(part) == self._most_bytes and not end:
            end = len(part)
        self._offset += end
        return part[:end].decode("utf-8", "replace").splitlines()


class CsvTail:
    """Reads the rows appended to a CSV file since the last look, by column name; cells may hold no line breaks."""

    def __init__(self, path: Path) -> None:
        self._lines = LineTail(path)
        self._names: list[str] = []

    def new_rows(self) -> list[CsvRow]:
        """Return the new rows, in order; one that is no CSV has no cells."""
        rows = list(map(_cells, self._lines.new_lines()))
        if rows and not self._names:
            self._names = rows.pop(0)
        return [dict(zip(self._names, cells, strict=False)) for cells in rows]


def _cells(line: str) -> list[str]:
    try:
        return next(csv.reader([line]))
    except csv.Error:
        return []  # a field longer than Python reads, as of a damaged file


def cell_number(row: CsvRow, name: str) -> float | None:
    """Return a cell as a number; None where it was not read."""
    try:
        value = float(row[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None
