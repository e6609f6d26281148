"""Memory recorded by another tool: a CSV, or the files that psrecord and mprof write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd

from analysis.formatting import MIB
from analysis.judge.types import Numbers, SignalSeries
from soak.errors import RecordingError

PSRECORD_HEADER: Final = re.compile(r"#\s*Elapsed time\s+CPU \(%\)\s+Real \(MB\)\s+Virtual \(MB\)")
"""The first line of ``psrecord --log``. Its MB are 2^20 bytes."""
MPROF_LINE: Final = re.compile(r"MEM (\S+) (\S+)(?: .*)?")
"""A line of ``mprof run``: MiB and seconds since the epoch."""
MAX_TIME_S: Final = 1e11
"""Latest plausible time in seconds, since any epoch; milliseconds since 1970 are beyond it."""
MIN_PEAK_BYTES: Final = 2**20
"""Least plausible peak of a process; one of a gigabyte is below it when its KiB are taken for bytes."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a CSV by what they hold, and their units in seconds and bytes."""

    time: str
    rss: str
    time_s: float | None = None
    """Unit of the times in seconds; None: not named, so seconds, refused where they are implausible."""
    rss_bytes: float | None = None
    """Unit of the memory in bytes; None: not named, so bytes, refused where they are implausible."""
    life: str = ""
    """The column that changes when another process takes over, e.g. a pid; empty: it is one process."""


def read_external(path: Path, columns: Columns | None) -> SignalSeries:
    """Read RSS over time from a file of another tool; without ``columns`` it must be psrecord's or mprof's.

    Times may be numbers or ISO 8601. A row without a time is dropped; memory that is no positive number counts as not
    read. Raises RecordingError when the file cannot be read, has no such columns, or needs a unit that was not named:
    in a wrong one every leak is small.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise RecordingError(f"{path}: cannot be read ({error.strerror or error}); name a file.") from None
    if not text.strip():
        raise RecordingError(f"{path}: the file is empty; name one that holds memory over time.")
    if columns is not None:
        return _from_csv(path, text, columns)
    first, _, rest = text.partition("\n")
    if PSRECORD_HEADER.match(first):
        rows = [line.split() for line in rest.splitlines()]
        return _series_of_rows([(row[0], row[2]) for row in rows if len(row) == 4])
    if found := [match for line in text.splitlines() if (match := MPROF_LINE.fullmatch(line.strip()))]:
        return _series_of_rows([(match[2], match[1]) for match in found])
    raise RecordingError(
        f"{path}: neither psrecord's format nor mprof's; name its columns: --time-column t --rss-column rss."
    )


def _from_csv(path: Path, text: str, columns: Columns) -> SignalSeries:
    try:
        frame = pd.read_csv(StringIO(text), on_bad_lines="skip", skipinitialspace=True)
    except (pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise RecordingError(f"{path}: not readable as CSV ({error}).") from None
    named = (("--time-column", columns.time), ("--rss-column", columns.rss), ("--life-column", columns.life))
    for option, name in named:
        if name and name not in frame.columns:
            known = ", ".join(str(column) for column in frame.columns)
            raise RecordingError(f"{path}: {option} {name}: no such column; it has {known}.")
    t_s = _numbers(frame[columns.time]) * (columns.time_s or 1.0)
    if not np.isfinite(t_s).any():
        t_s = _epoch_seconds(frame[columns.time])
    elif columns.time_s is None and _highest(t_s) > MAX_TIME_S:
        raise RecordingError(
            f"{path}: as seconds its times are beyond the year 5000; name their unit, for example --time-unit ms."
        )
    rss_bytes = _numbers(frame[columns.rss]) * (columns.rss_bytes or 1.0)
    if columns.rss_bytes is None and 0 < (highest := _highest(rss_bytes)) < MIN_PEAK_BYTES:
        raise RecordingError(
            f"{path}: {highest:g} bytes, the most it has, are too few for a process; name their unit by --rss-unit, "
            "for example MiB or KiB, or B if they are bytes."
        )
    return _rss_series(t_s, rss_bytes, _lives(frame[columns.life]) if columns.life else None)


def count_drops(readings: SignalSeries) -> int:
    """Return how often memory fell by more than half from one reading of a life to the next, as at a restart."""
    read = np.isfinite(readings.value)
    value, life = readings.value[read], readings.life[read]
    return int(((value[1:] < value[:-1] / 2) & (life[1:] == life[:-1])).sum())


def _lives(column: pd.Series[str]) -> Numbers:
    """Return 1, 2, ... , one more wherever the column changes; an empty cell is no change."""
    known = column.ffill().bfill().fillna("").astype(str)
    return np.asarray((known != known.shift()).cumsum(), dtype=np.float64)


def _highest(numbers: Numbers) -> float:
    return float(np.max(numbers, initial=0.0, where=np.isfinite(numbers)))


def _series_of_rows(rows: list[tuple[str, str]]) -> SignalSeries:
    """Return rows of seconds and MiB."""
    frame = pd.DataFrame(rows, columns=["t_s", "mib"])
    return _rss_series(_numbers(frame["t_s"]), _numbers(frame["mib"]) * MIB)


def _rss_series(t_s: Numbers, rss_bytes: Numbers, life: Numbers | None = None) -> SignalSeries:
    kept = np.isfinite(t_s)
    t_s, rss_bytes = t_s[kept], rss_bytes[kept]
    start_s = t_s.min() if len(t_s) else 0.0
    return SignalSeries(
        signal="rss_bytes",
        t_s=t_s - start_s,
        value=np.where(rss_bytes > 0, rss_bytes, np.nan),
        life=np.ones(len(t_s)) if life is None else life[kept],
        requests=np.full(len(t_s), np.nan),
    )


def _numbers(column: pd.Series[str]) -> Numbers:
    return np.asarray(pd.to_numeric(column, errors="coerce"), dtype=np.float64)


def _epoch_seconds(column: pd.Series[str]) -> Numbers:
    times = pd.to_datetime(column, errors="coerce", format="ISO8601", utc=True)
    return np.asarray((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), dtype=np.float64)
