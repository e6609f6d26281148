"""Writes an arm's ``requests.csv``, a row a second, and its histogram log."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from hdrh.log import HistogramLogWriter

from locustfiles.counts import Second, Timings
from locustfiles.schedule.phases import Timetable
from soak.contract import (
    LATENCY_LOG,
    LATENCY_TAG,
    REQUEST_COLUMNS,
    REQUESTS,
    ROUND_TRIP_TAG,
    SERVICE_TAG,
    names,
)
from soak.contract.clock import RunClock
from soak.errors import HarnessError
from soak.regular_files import open_output

_US_PER_MS = 1000.0


class LatencyLog:
    """Writes histograms of intervals to an open text file; times are ``t_s``. Raises OSError when writing fails."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._writer = HistogramLogWriter(file)
        self._writer.output_comment("[microseconds; times are seconds since the run's start]")
        self._writer.output_log_format_version()
        # Without base 0 readers take the first interval as the start of time.
        self._writer.output_base_time(0)
        self._writer.output_legend()
        file.flush()

    def write(self, timings: Timings, start_s: float, end_s: float) -> None:
        """Append the histograms of an interval that are not empty, each under its tag, and flush."""
        for tag, histogram in (
            (LATENCY_TAG, timings.latency),
            (SERVICE_TAG, timings.service),
            (ROUND_TRIP_TAG, timings.round_trip),
        ):
            if histogram is None or not histogram.get_total_count():
                continue
            # The writer takes a time of 0 from the histogram's own stamps, milliseconds, and writes no tags.
            histogram.set_start_time_stamp(start_s * 1000)
            histogram.set_end_time_stamp(end_s * 1000)
            self._file.write(f"Tag={tag},")
            self._writer.output_interval_histogram(histogram, max_value_unit_ratio=_US_PER_MS)
        self._file.flush()


class CannotRecordError(HarnessError):
    """A recording cannot be written; the message names the file."""


class ArmRecorder:
    """Records one arm, one load after the other: ``begin``, ``write`` for each second in order, ``end``.

    Every write is flushed. The constructor, ``write``, ``end`` and ``close`` raise CannotRecordError; after it nothing
    more is written.
    """

    _timetable: Timetable
    _interval: Timings | None = None
    _interval_s = 0
    """First second of the interval that is open."""
    _next_s = 0

    def __init__(self, arm: str, directory: Path, clock: RunClock) -> None:
        self._arm = arm
        self._clock = clock
        self._files: list[TextIO] = []
        self._csv_path = directory / REQUESTS
        self._log_path = directory / LATENCY_LOG
        with self._writing(self._csv_path):
            self._csv_file = self._opened(self._csv_path)
            self._csv = csv.writer(self._csv_file, lineterminator="\n")
            self._write_row(names(REQUEST_COLUMNS))
        with self._writing(self._log_path):
            self._log = LatencyLog(self._opened(self._log_path))

    def begin(self, timetable: Timetable) -> None:
        """Begin a load."""
        self._timetable = timetable

    def write(self, second: int, planned: int, counts: Second) -> None:
        """Write the row of a second (``t_s``), and the interval before it when a new one begins."""
        row = (second, self._clock.wall_time(second), self._arm, self._timetable.phase(second), planned)
        with self._writing(self._csv_path):
            self._write_row((*row, *counts.cells()))
        interval_s = self._timetable.interval_s(second)
        if self._interval is None or interval_s != self._interval_s:
            self.end()
            self._interval, self._interval_s = Timings(), interval_s
        self._interval.add(counts.timings)
        self._next_s = second + 1

    def end(self) -> None:
        """Write the interval that is open."""
        if self._files and self._interval:
            with self._writing(self._log_path):
                self._log.write(self._interval, self._interval_s, self._next_s)
        self._interval = None

    def close(self) -> None:
        """End the load and close the files; idempotent."""
        self.end()
        self._close_files()

    def _write_row(self, cells: Iterable[object]) -> None:
        self._csv.writerow(cells)
        self._csv_file.flush()

    def _opened(self, path: Path) -> TextIO:
        file = open_output(path, "w", "ascii")
        self._files.append(file)
        return file

    @contextmanager
    def _writing(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._close_files()
            raise CannotRecordError(
                f"{path}: the recording cannot be written: {error.strerror}; its directory must exist and have space"
            ) from error

    def _close_files(self) -> None:
        for file in self._files:
            # Every write was flushed; what an error left in the buffer fails again here and was reported then.
            with suppress(OSError):
                file.close()
        self._files.clear()
