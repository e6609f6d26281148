"""The new rows of a CSV file that someone else appends to."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Final

MOST_BYTES: Final = 1 << 18
"""Read at one look: what a whole minute of sampling writes."""

Row = dict[str, str]


class CsvTail:
    """Reads what was appended since the last look, whole lines only, a bounded part at a time.

    A file that is not there yet has no rows; cells may hold no line breaks.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._names: list[str] = []

    def look(self) -> list[Row]:
        """Return the rows that have come."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                whole = file.read(MOST_BYTES).rpartition(b"\n")[0]
        except OSError:  # not there yet, or gone with its run directory
            return []
        if not whole:
            return []
        self._offset += len(whole) + 1
        lines = whole.decode("utf-8", "replace").splitlines()
        if not self._names:
            self._names = next(csv.reader(lines[:1]))
            lines = lines[1:]
        return [dict(zip(self._names, cells, strict=False)) for cells in csv.reader(lines)]


def number(row: Row, name: str) -> float | None:
    """Return a cell as a number; None where it was not read."""
    try:
        value = float(row[name])
    except (KeyError, ValueError):
        return None
    return value if math.isfinite(value) else None
