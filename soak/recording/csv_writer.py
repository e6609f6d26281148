"""Rows of a recording, flushed as they happen."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from soak.contract import Column, names
from soak.errors import HarnessError
from soak.regular_files import open_output

Row = dict[str, object]
"""Cells by the name of their column; what is missing or None becomes an empty cell."""


class CsvWriter:
    """Appends rows to a CSV file and flushes each. Shared by threads; the first failed write is the last.

    It appends, so that another process may write to the same file at another moment.
    """

    def __init__(self, path: Path, columns: tuple[Column, ...]) -> None:
        self._path = path
        self._names = names(columns)
        self._lock = threading.Lock()
        self._broken = False
        try:
            self._file = open_output(path, "a")
            fresh = not self._file.tell()
        except OSError as error:
            raise self._refused(error) from error
        self._written = hashlib.sha256() if fresh else None
        if fresh:
            self._write([self._names])

    def __enter__(self) -> CsvWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def sha256(self) -> str | None:
        """The hash of all that was written; None where the file was not empty before, or a row could not be written."""
        return None if self._written is None else self._written.hexdigest()

    def write(self, row: Mapping[str, object]) -> None:
        """Append one row; None and missing columns become empty cells.

        Raises HarnessError when the disk takes no more, KeyError for a name that is no column.
        """
        self.write_all([row])

    def write_all(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Append rows and flush them once; raises as ``write``."""
        cells = []
        for row in rows:
            if unknown := row.keys() - set(self._names):
                raise KeyError(f"{self._path.name} has no column {min(unknown)}")
            cells.append([_cell(row.get(name)) for name in self._names])
        self._write(cells)

    def close(self) -> None:
        """Close the file. Idempotent."""
        with self._lock:
            self._broken = True
            with contextlib.suppress(OSError):  # a full disk was reported when the row failed
                self._file.close()

    def _write(self, rows: Iterable[Iterable[object]]) -> None:
        with self._lock:
            if self._broken:
                return
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            try:
                self._file.write(text.getvalue())
                self._file.flush()
            except OSError as error:
                self._broken, self._written = True, None
                with contextlib.suppress(OSError):  # closing tries to write once more
                    self._file.close()
                raise self._refused(error) from error
            if self._written is not None:
                self._written.update(text.getvalue().encode())

    def _refused(self, error: OSError) -> HarnessError:
        return HarnessError(
            f"{self._path}: cannot be written ({error.strerror}). What was recorded until now is kept; "
            "make room, then make its report with soak report or run again."
        )


def _cell(value: object) -> object:
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, Mapping):
        return json.dumps(value) if value else None
    return value
