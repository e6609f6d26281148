"""What is written during a run: CSV rows, flushed as they happen, and the manifest."""

from __future__ import annotations

import contextlib
import csv
import json
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soak.contract import EVENT_COLUMNS, EVENT_NAMES, Column, names
from soak.errors import HarnessError


@dataclass(frozen=True, slots=True)
class RunClock:
    """Seconds since the run's start, on the monotonic clock that every process of this machine shares."""

    t0_monotonic_s: float = field(default_factory=time.monotonic)

    def t(self) -> float:
        """Return seconds since the run's start."""
        return time.monotonic() - self.t0_monotonic_s

    def wall(self) -> str:
        """Return the wall time for people, UTC, to the millisecond."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")


class CsvRecorder:
    """Appends rows to a CSV file and flushes each. Shared by threads; the first failed write is the last.

    It appends, so that another process may write to the same file at another moment.
    """

    def __init__(self, path: Path, columns: tuple[Column, ...]) -> None:
        self._path = path
        self._names = names(columns)
        self._lock = threading.Lock()
        self._broken = False
        try:
            self._file = path.open("a", newline="", encoding="utf-8")
            fresh = not self._file.tell()
        except OSError as error:
            raise self._refused(error) from error
        self._writer = csv.writer(self._file, lineterminator="\n")
        if fresh:
            self._write([self._names])

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
            try:
                self._writer.writerows(rows)
                self._file.flush()
            except OSError as error:
                self._broken = True
                with contextlib.suppress(OSError):  # closing tries to write once more
                    self._file.close()
                raise self._refused(error) from error

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


class EventLog:
    """The run's events, in a file."""

    def __init__(self, path: Path, clock: RunClock) -> None:
        self._recorder = CsvRecorder(path, EVENT_COLUMNS)
        self._clock = clock

    def record(
        self,
        event: str,
        detail: str = "",
        *,
        arm: str = "",
        life: int | None = None,
        pid: int | None = None,
        by: str = "",
    ) -> None:
        """Append one event, one of EVENT_NAMES."""
        if event not in EVENT_NAMES:
            raise KeyError(f"no such event: {event}")
        self._recorder.write(
            {"t_s": self._clock.t(), "wall_time": self._clock.wall(), "event": event, "arm": arm, "life": life,
             "pid": pid, "by": by, "detail": detail}
        )  # fmt: skip

    def close(self) -> None:
        """Close the file."""
        self._recorder.close()


def write_text(path: Path, text: str) -> None:
    """Replace a file in one step, so that a reader never sees half of it; raises HarnessError."""
    scratch = path.with_suffix(".tmp")
    try:
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise HarnessError(
            f"{path}: cannot be written ({error.strerror}); make room and run again."
        ) from error


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Replace a JSON file in one step; raises HarnessError."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def new_run_directory(runs: Path, profile: str, now: datetime) -> Path:
    """Make ``<runs>/<date>-<time>-<profile>`` and point ``<runs>/latest`` at it; an existing one is never reused."""
    stem = f"{now:%Y%m%d-%H%M%S}-{profile}"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        directory = _first_free(runs, stem)
        scratch = runs / f".latest-{directory.name}"
        scratch.symlink_to(directory.name)
        scratch.replace(runs / "latest")
    except OSError as error:
        raise HarnessError(
            f"{runs}: no run directory can be made there ({error.strerror}); give another place by --runs."
        ) from error
    return directory


def _first_free(runs: Path, stem: str) -> Path:
    number = 1
    while True:
        directory = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            directory.mkdir()
        except FileExistsError:
            number += 1
        else:
            return directory
