"""The recorder of one arm: a row per second and two histograms per interval, written as they are over."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from locustfiles.clock import RunClock
from locustfiles.latency_log import Interval, LatencyLog
from locustfiles.second import Second
from locustfiles.timetable import Timetable
from soak.contract import LATENCY_LOG, REQUEST_COLUMNS, REQUESTS, names


class CannotRecordError(Exception):
    """A recording cannot be written; the message names the file."""


class ArmRecorder:
    """Records one arm from the start of the warm-up to the end of the drain; ``begin`` comes first, once.

    Each thing counts in the second in which it happens. The calls that count write nothing; the constructor,
    ``advance`` and ``close`` write, and raise CannotRecordError.
    """

    _begun = False
    _timetable: Timetable
    _next: int
    """The first second that is not written yet."""

    def __init__(self, arm: str, directory: Path, clock: RunClock) -> None:
        self.in_flight = 0
        """Requests that were sent and have not ended."""
        self._arm = arm
        self._clock = clock
        self._seconds: defaultdict[int, Second] = defaultdict(Second)
        self._intervals: defaultdict[int, Interval] = defaultdict(Interval)
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
        """Let the recording start with the timetable's first second."""
        self._begun = True
        self._timetable = timetable
        self._next = timetable.warmup_s

    def planned(self, planned_s: float) -> None:
        """Count a request in the second of its planned start."""
        self._seconds[int(planned_s)].planned += 1

    def missed(self, now_s: float) -> None:
        """Count a request that is given up."""
        self._seconds[int(now_s)].missed += 1

    def sent(self, now_s: float) -> None:
        """Count a request that is being sent."""
        self._seconds[int(now_s)].sent += 1
        self.in_flight += 1

    def ended(self, now_s: float, planned_s: float, sent_s: float, failure: str | None) -> None:
        """Count a request that was answered well (None) or failed."""
        latency_us, service_us = (round((now_s - since_s) * 1e6) for since_s in (planned_s, sent_s))
        second = self._seconds[int(now_s)]
        second.ended[failure] += 1
        second.latency_us.append(latency_us)
        second.service_us.append(service_us)
        self._intervals[self._timetable.interval_s(int(now_s))].add(latency_us, service_us)
        self.in_flight -= 1

    def advance(self, now_s: float) -> None:
        """Write the seconds that are over at ``now_s``: nothing may be counted in them later."""
        while self._files and self._next < int(now_s):
            self._write_second()

    def close(self, now_s: float) -> None:
        """Write what is left, the second of ``now_s`` included; after it, or after an error, nothing is written."""
        if self._files and self._begun:
            self.advance(now_s)
            self._write_second()
            self._write_intervals(self._intervals)
        self._close_files()

    def _write_second(self) -> None:
        second = self._next
        row = (second, self._clock.wall_time(second), self._arm, self._timetable.phase(second))
        with self._writing(self._csv_path):
            self._write_row((*row, *self._seconds.pop(second, Second()).cells()))
        self._next += 1
        interval_s = self._timetable.interval_s(self._next)
        self._write_intervals(start_s for start_s in self._intervals if start_s < interval_s)

    def _write_row(self, cells: Iterable[object]) -> None:
        self._csv.writerow(cells)
        self._csv_file.flush()

    def _write_intervals(self, starts_s: Iterable[int]) -> None:
        with self._writing(self._log_path):
            for start_s in tuple(starts_s):
                self._log.write(self._intervals.pop(start_s), start_s, self._next)

    def _opened(self, path: Path) -> TextIO:
        file = path.open("w", encoding="ascii", newline="")
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
            # Every write was flushed; what an error left in the buffer fails again here and was told already.
            with suppress(OSError):
                file.close()
        self._files.clear()
