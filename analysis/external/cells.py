"""The cells of a recording as text, and their values; a cell that cannot be read is refused with its place."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.external.named_units import NAMED_SIZES, NAMED_TIMES, UNSURE_TIMES, named_unit
from analysis.external.resolution import PAGE_BYTES, Written, as_written, resolutions
from analysis.formatting import MIB
from analysis.judge.types import Numbers
from soak.contract.evidence import MIN_READINGS_UNDER_LOAD
from soak.contract.units import BYTES
from soak.errors import RecordingError

NOT_READ: Final = frozenset(("", "-", "--", "n/a", "na", "#n/a", "<na>", "nan", "null", "none", "-- / --"))
"""Cells, in lower case, that tools write for a reading that they do not have."""
MAX_TIME_S: Final = 1e11
"""Latest plausible time in seconds, since any epoch; milliseconds since 1970 are beyond it."""
EPOCH_S: Final = (1e9, 4e9)
"""Numbers that may be seconds since 1970, of 2001 to 2096; any others are elapsed."""
MOST_STEP_S: Final = 600.0
"""Longest plausible usual step between readings of one process by such numbers, seconds."""
MOST_ELAPSED_STEP_S: Final = 90.0
"""The same of elapsed numbers, which have no year to show their unit: one a minute is below it, and milliseconds of ten
a second are beyond it."""
LEAST_STEP_S: Final = 0.02
"""Shortest plausible usual step by numbers without a unit, seconds: nobody reads memory more often than 50 times a
second, and minutes in hours are below it, as the days of a spreadsheet are."""
COMPACT_DATE: Final = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:(?:[01]\d|2[0-3])(?:[0-5]\d){0,2})?"
)
"""A date without separators, perhaps with hours, minutes and seconds: as a number its days are 100 minutes apart."""
MOST_BYTES: Final = 2.0**63
"""Largest plausible size, bytes: no kernel counts further."""
MIN_PEAK_BYTES: Final = 2**20
"""Least plausible peak of a process; one of a gigabyte is below it when its KiB are taken for bytes."""
YEARS: Final = (1700, 2200)
"""First and last plausible year of a date; nanoseconds since 1970 hold 1678 to 2262."""
DAY_S: Final = 86_400.0
MAX_STEP_BACK_S: Final = 3600.0
"""Seconds by which a clock may be set back, as at the end of summer time; a greater fall is midnight."""
CLOCK: Final = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d(?:[.,]\d+)?)\s*([AaPp][Mm])?")
TWO_PART_CLOCK: Final = re.compile(r"\d{1,3}:\d\d")
NAMED_MONTH: Final = re.compile(r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b")
TIME_ZONE: Final = re.compile(r"\b(?!AM\b|PM\b)[A-Z]{2,5}\b")
SIZE: Final = re.compile(r"([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([A-Za-z]+)?(?:\s*/.*)?")
"""A number, perhaps with its unit, perhaps followed by the limit: ``80.0MiB / 2GiB``."""
SIZE_UNITS: Final = {name.lower(): worth for name, worth in BYTES.items()} | {
    letters: float(2 ** (10 * power))
    for power, letter in enumerate("kmgt", 1)
    for letters in (letter, f"{letter}i")
}
"""Units of memory in bytes, in lower case; the single letters of top, ps and free are binary, as Ki, Mi and Gi of
kubectl top are."""


@dataclass(frozen=True, slots=True)
class CellColumn:
    """One column of a file as text."""

    path: Path
    name: str
    cells: list[str]
    rows: list[int]
    """The line of the file, from 1, of each cell."""

    def refusal(self, at: int, fault: str) -> RecordingError:
        """Return the error of one cell; ``fault`` is what is wrong, and the fix."""
        return RecordingError(
            f"{self.path}: column {self.name}, row {self.rows[at]}: {self.cells[at]!r} {fault}."
        )

    def blank(self) -> npt.NDArray[np.bool_]:
        """Return True where a cell holds no reading, shape (n,)."""
        return np.array([cell.strip().lower() in NOT_READ for cell in self.cells], dtype=bool)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The sizes of a column, arrays of shape (n,)."""

    value: Numbers
    """Bytes; NaN where a cell is blank."""
    resolution: Numbers
    """Bytes by which the next number that the cell could have differs from it; NaN where it holds none above 0."""


def read_times(column: CellColumn, unit_s: float | None, process: Sequence[str] = ()) -> Numbers:
    """Return seconds, shape (n,), NaN where a cell is blank; only differences have a meaning.

    The first cell decides what all are: numbers in ``unit_s`` (None: that of the column's name, else seconds),
    HH:MM:SS, or moments in ISO 8601 or with the month's name. ``process`` is that of each cell, empty where all are of
    one. Raises RecordingError at the first cell that is none, or where the unit has to be named.
    """
    is_assumed = False
    blank = column.blank()
    cells = pd.Series([cell.strip() for cell in column.cells], dtype=str)
    if blank.all():
        return np.full(len(cells), np.nan)
    first = cells[int(np.argmin(blank))]
    if CLOCK.fullmatch(first):
        _refuse_clock(column, cells)
        t_s, kind = _clock_seconds(cells), "HH:MM:SS, as the first row has it"
    elif _is_number(first):
        if unit_s is None and named_unit(column.name, UNSURE_TIMES) is not None:
            raise column.refusal(
                int(np.argmin(blank)),
                "may be minutes, hours or days, by the end of the column's name; name the unit by --time-unit",
            )
        unit_s = named_unit(column.name, NAMED_TIMES) if unit_s is None else unit_s
        is_assumed = unit_s is None
        if is_assumed and cells[~blank].str.fullmatch(COMPACT_DATE).all():
            raise column.refusal(
                int(np.argmin(blank)),
                "may be a date without separators; write it as 2025-03-04T05:06:07, or name the unit of a number by "
                "--time-unit",
            )
        with np.errstate(over="ignore"):  # what is beyond every float is not finite, and refused below
            t_s, kind = _numbers(cells) * (unit_s or 1.0), "a number, as the first row has it"
    else:
        t_s, kind = _moments(cells), "seconds, ISO 8601 or HH:MM:SS"
    bad = ~blank & ~np.isfinite(t_s)
    if bad.any():
        at = int(np.argmax(bad))
        if TWO_PART_CLOCK.fullmatch(cells[at]):
            raise column.refusal(at, "may be hours or minutes; write HH:MM:SS")
        raise column.refusal(at, f"is not {kind}; correct or remove the row, or name another --time-column")
    t_s = np.where(blank, np.nan, t_s)
    if np.nanmax(np.abs(t_s)) > MAX_TIME_S:
        at = int(np.nanargmax(np.abs(t_s)))
        raise column.refusal(
            at, "as seconds is beyond the year 5000; name the unit, for example --time-unit ms"
        )
    if is_assumed:
        _refuse_steps(column, t_s, process)
    return t_s


def _refuse_steps(column: CellColumn, t_s: Numbers, process: Sequence[str]) -> None:
    """Raise RecordingError where times are usually so far apart, or so near, that they may be no seconds."""
    is_since_1970 = EPOCH_S[0] <= np.nanmin(t_s) and np.nanmax(t_s) <= EPOCH_S[1]
    found = pd.DataFrame({"t_s": t_s, "process": list(process) or ""}).dropna(subset="t_s")
    steps = found.groupby("process")["t_s"].diff()
    usual_s = float(steps[steps > 0].median())  # NaN without a step
    if usual_s > (MOST_STEP_S if is_since_1970 else MOST_ELAPSED_STEP_S):
        raise column.refusal(
            int(steps.index[steps >= usual_s][0]),
            f"is {steps[steps >= usual_s].iloc[0]:,g} after the time before, and as seconds most are as far apart; "
            "name the unit by --time-unit, for example ms, or s if they are seconds, or by the end of the column's "
            "name, as t_ms or t_s",
        )
    if usual_s < LEAST_STEP_S:
        raise column.refusal(
            int(steps.index[steps > 0][0]),
            f"is {steps[steps > 0].iloc[0]:.3g} after the time before, and as seconds most are as near; name the unit "
            "by --time-unit, for example h, or d as of a spreadsheet, or s if they are seconds",
        )


def _refuse_clock(column: CellColumn, cells: pd.Series[str]) -> None:
    """Raise RecordingError where times of day without a date may be read in two ways, which have other rates."""
    found = [(at, parts) for at, cell in enumerate(cells) if (parts := CLOCK.fullmatch(cell))]
    hours = [int(parts[1]) for _, parts in found]
    if not any(parts[4] for _, parts in found) and all(1 <= hour <= 12 for hour in hours):
        for (at, _), before, hour in zip(found[1:], hours, hours[1:], strict=False):
            if (before, hour) == (12, 1):
                raise column.refusal(
                    at,
                    "is behind 12 o'clock, and may be of a 12-hour clock without AM or PM; write 24 hours, or both",
                )
    falls = [
        at for (at, _), before, hour in zip(found[1:], hours, hours[1:], strict=False) if hour < before - 1
    ]
    if len(found) >= MIN_READINGS_UNDER_LOAD and len(falls) > len(found) / 2:
        raise column.refusal(
            falls[0],
            "is earlier than the time before, as most are: the newest row comes first, or they are days apart; write "
            "the date, too, and sort the rows",
        )


def read_memory(column: CellColumn, unit_bytes: float | None) -> Sizes:
    """Return the sizes of a column in bytes, and how finely they are written.

    A unit in the cell has precedence over ``unit_bytes``, the option's, and that over the one of the column's name.
    Raises RecordingError at the first cell that is no size, or where the unit has to be named.
    """
    values = np.full(len(column.cells), np.nan)
    written: list[Written | None] = [None] * len(values)
    bare = np.zeros(len(values), dtype=bool)
    named_bytes = named_unit(column.name, NAMED_SIZES) if unit_bytes is None else unit_bytes
    for at in np.flatnonzero(~column.blank()):
        parts = SIZE.fullmatch(column.cells[at].strip())
        unit = (parts[2] or "").lower() if parts else ""
        size = math.inf if parts is None or (unit and unit not in SIZE_UNITS) else float(parts[1])
        worth = SIZE_UNITS.get(unit, named_bytes or 1.0)
        size *= worth
        if parts is None or abs(size) > MOST_BYTES:
            raise column.refusal(
                int(at),
                "is not a size, written with a decimal point and perhaps a unit, as 80.5 or 80.5MiB; correct or "
                "remove the row, or name another --rss-column",
            )
        bare[at] = not unit and float(parts[1]) > 0
        values[at] = size
        written[at] = as_written(parts[1], worth) if size > 0 else None
    if unit_bytes is None:
        _refuse_other_units(column, values, bare, is_named=named_bytes is not None)
    return Sizes(values, resolutions(written))


def _refuse_other_units(
    column: CellColumn, values: Numbers, bare: npt.NDArray[np.bool_], *, is_named: bool
) -> None:
    """Raise RecordingError where the cells without a unit, ``bare``, are implausible as the bytes they were taken for.

    ``is_named`` is whether the column's name has their unit: then they need not be whole pages.
    """
    highest = float(np.max(values, initial=0.0, where=bare))
    if 0 < highest < MIN_PEAK_BYTES:
        raise column.refusal(
            int(np.flatnonzero(bare & (values == highest))[0]),
            f"is the highest value, and {highest:g} bytes are too few for a process; name the unit by --rss-unit, for "
            "example MiB or KiB, or B if they are bytes",
        )
    broken = bare & (values % PAGE_BYTES != 0)
    if broken.any() and not is_named:
        raise column.refusal(
            int(np.argmax(broken)),
            f"is no whole number of pages of {PAGE_BYTES:,} bytes, as the memory of a process is; name the unit by "
            "--rss-unit, for example KiB or MiB, or B if they are bytes",
        )


def is_time(text: str) -> bool:
    """Return whether a line is a time alone, as ``date`` writes it."""
    return text.isdecimal() or are_times([text])


def are_times(texts: Iterable[str]) -> bool:
    """Return whether all texts are numbers, moments or HH:MM:SS, as pids and start times are."""
    cells = pd.Series([text.strip() for text in dict.fromkeys(texts)], dtype=str)
    is_clock = cells.map(lambda cell: CLOCK.fullmatch(cell) is not None).to_numpy(bool)
    return bool((is_clock | np.isfinite(_numbers(cells)) | np.isfinite(_moments(cells))).all())


def are_ordinals(texts: Collection[str]) -> bool:
    """Return whether texts are 0, 1, … or 1, 2, …: numbers of workers, or the pid of a container, 1 at each start."""
    numbers = sorted(int(text) for text in texts if text.strip().isdecimal())
    return (
        bool(numbers)
        and len(numbers) == len(texts)
        and numbers[0] < 2
        and numbers[-1] - numbers[0] == len(texts) - 1
    )


def is_whole_unit(size_bytes: float) -> bool:
    """Return whether a size is a whole number of MiB or MB, so that a recording may be too coarse to show noise."""
    return size_bytes % MIB == 0 or size_bytes % BYTES["MB"] == 0


def _clock_seconds(cells: pd.Series[str]) -> Numbers:
    """Return seconds since the first midnight of times of day; a fall by more than an hour is the next day."""
    t_s = np.full(len(cells), np.nan)
    day_s, before_s = 0.0, None
    for at, cell in enumerate(cells):
        if (parts := CLOCK.fullmatch(cell)) is None:
            continue
        hour = int(parts[1]) if parts[4] is None else int(parts[1]) % 12 + 12 * (parts[4].lower() == "pm")
        now_s = hour * 3600 + int(parts[2]) * 60 + float(parts[3].replace(",", "."))
        if before_s is not None and now_s < before_s - MAX_STEP_BACK_S:
            day_s += DAY_S
        elif before_s is not None and now_s > before_s + DAY_S - MAX_STEP_BACK_S:
            day_s -= DAY_S  # out of order by less than an hour, around midnight
        t_s[at], before_s = day_s + now_s, now_s
    return t_s


def _moments(cells: pd.Series[str]) -> Numbers:
    """Return seconds since 1970 of moments; a date in digits alone is read where its order is that of ISO 8601."""
    times = pd.to_datetime(cells, errors="coerce", format="ISO8601", utc=True)
    named = times.isna() & cells.str.contains(NAMED_MONTH)
    if named.any():  # the zone's name is left out: differences are all that counts
        plain = cells[named].str.replace(TIME_ZONE, "", regex=True)
        times[named] = pd.to_datetime(plain, errors="coerce", format="mixed", utc=True)
    times = times.where(times.dt.year.between(*YEARS))
    return np.asarray((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), dtype=np.float64)


def moments(texts: Sequence[str]) -> Numbers | None:
    """Return seconds since 1970 of texts that all are moments, or numbers of such seconds; None where one is none."""
    cells = pd.Series([text.strip() for text in texts], dtype=str)
    numbers = _numbers(cells)
    found = np.where(np.isfinite(numbers), numbers, _moments(cells))
    are_times = np.isfinite(found) & (found >= EPOCH_S[0]) & (found <= EPOCH_S[1])
    return found if are_times.all() else None


def _numbers(cells: pd.Series[str]) -> Numbers:
    return np.asarray(pd.to_numeric(cells, errors="coerce"), dtype=np.float64)


def _is_number(text: str) -> bool:
    return bool(np.isfinite(_numbers(pd.Series([text], dtype=str))[0]))
