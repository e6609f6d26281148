"""The processes of a recording, side by side or one after the other, and the lives of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.external.cells import Sizes, is_whole_unit
from analysis.external.resolution import PAGE_BYTES, coarsest, rounding_text
from analysis.external.starts import one_name_per_start
from analysis.external.tables import RecordedCells
from analysis.formatting import format_duration
from analysis.judge.frozen import MIN_SAMPLES
from analysis.judge.types import ARENA_BYTES, Numbers, SignalSeries

Names = npt.NDArray[np.object_]

PAUSE_STEPS: Final = 20
"""Usual steps without a reading above which a process may have been started again."""
MAX_STRETCHES: Final = 3
"""Stretches of rows that one process may have in the order of the file; with more, processes run side by side."""
START_STEPS: Final = 3
"""Usual steps from the first time up to which a time that falls back is that of a new start."""
MANY_FALLS: Final = 2
"""Number of falls from which on a file looks like restarts; one may be anything."""
LEAST_FALL: Final = 0.05
"""Share of memory by which a fall to a lower level, of a process that no column identifies, may be a restart."""
FALL_NOISE: Final = 8.0
"""The same, in usual changes from one reading to the next."""
LEVEL_READINGS: Final = 5
"""Readings on either side of such a fall that have the levels: a peak of fewer is none."""
MAX_INTERLEAVED: Final = 8
"""Processes up to which rows that take turns are recognised without a name."""
MIN_TOGETHER_SHARE: Final = 0.4
"""Share of rows that follow the one before at once, from which on rows may be of several processes."""
AT_ONCE_SHARE: Final = 0.1
"""Time between two rows, as a share of the mean, up to which they are of one moment."""
TURN_SHARE: Final = 0.2
"""Mean change since the last turn, as a share of that since the row before, below which rows take turns."""
EARLY_SHARE: Final = 0.1
"""First share of the recording in which a process is there from the beginning; likewise its end."""
MOST_UNREAD_SHARE: Final = 0.1
"""Share of the rows of a process, at their beginning or end, above which rows without a reading can hide a leak."""
NAME_IT: Final = "name the column that identifies the process by --life-column"
NUMBER_IT: Final = (
    "name a column of pids or start times by --life-column (a name stays through a restart, and so does the pid 1 of a "
    "container)"
)
ONE_IF_NOT: Final = ", or one that is the same in all rows if it was not"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whether a recording tells the starts of a process, and what to do where it does not."""

    is_known: bool
    fix: str = NAME_IT
    if_not_started: str = ONE_IF_NOT
    """What else to do where it was not started again; empty where there are several processes."""

    @classmethod
    def of(cls, cells: RecordedCells) -> Identity:
        """Return that of a recording."""
        names = set(cells.process)
        return cls(
            cells.identified, NUMBER_IT if any(names) else NAME_IT, ONE_IF_NOT if len(names) < 2 else ""
        )


@dataclass(frozen=True, slots=True)
class ProcessReadings:
    """One process of a recording, perhaps over several lives."""

    name: str
    """Empty where the recording has this one only."""
    series: SignalSeries
    unusable: str = ""
    """Why its readings decide nothing, and the fix; empty where they can be judged."""
    doubt: str = ""
    """Why it cannot be cleared, and the fix; empty where it can."""
    pauses: str = ""
    """Which pauses may be restarts, and the fix: every stretch between them is a life. Empty where none may be."""
    one_life: SignalSeries | None = None
    """The readings as those of one life, where ``pauses`` may be none."""
    rounding: str = ""
    """That its readings are too coarse for a sure verdict, and the fix; empty where they are not."""

    @property
    def span_s(self) -> tuple[float, float]:
        """From when to when it was read, seconds since the first row; 0 and 0 where it never was."""
        t_s = self.series.t_s[np.isfinite(self.series.value)]
        return (float(t_s.min()), float(t_s.max())) if len(t_s) else (0.0, 0.0)


def split_processes(cells: RecordedCells, t_s: Numbers, memory: Sizes) -> tuple[ProcessReadings, ...]:
    """Return the processes of a recording, in the order of their first row; none without a row that has a time.

    ``t_s``, seconds, has shape (n,), as ``memory`` has, NaN where a cell is blank. Processes that run side by
    side are one each; those that follow one another are lives of one.
    """
    kept = np.flatnonzero(np.isfinite(t_s))
    untimed = _unread_doubt(cells.time.name, np.isfinite(t_s).astype(np.float64))
    all_s, t_s, memory = t_s, t_s[kept], Sizes(memory.value[kept], memory.resolution[kept])
    named = one_name_per_start(cells.process, all_s)
    process, start = np.array(named, dtype=object)[kept], np.array(cells.start)[kept]
    if len(kept):
        t_s = t_s - t_s.min()
    column, identity = cells.rss.name, Identity.of(cells)
    names = list(dict.fromkeys(process))
    if len(names) < 2 or not _side_by_side(process, t_s):
        life = start + _changes(process)
        one = _readings("", column, t_s, memory, life, identity)
        return (replace(one, doubt=one.doubt or untimed),)
    places = {name: np.flatnonzero(process == name) for name in names}
    found = {
        name: _readings(
            name,
            column,
            t_s[at],
            Sizes(memory.value[at], memory.resolution[at]),
            start[at],
            identity,
        )
        for name, at in places.items()
    }
    found = {name: replace(one, doubt=one.doubt or untimed) for name, one in found.items()}
    return _with_count_doubts(found, {name: t_s[at] for name, at in places.items()})


def _side_by_side(process: Names, t_s: Numbers) -> bool:
    """Return whether processes take turns in the file, or their times overlap."""
    stretch = _changes(process)
    firsts = np.flatnonzero(np.diff(stretch, prepend=-1))
    if max(np.unique(process[firsts].astype(str), return_counts=True)[1]) > MAX_STRETCHES:
        return True
    parts = np.split(t_s, firsts[1:])
    return any(later.min() < max(one.max() for one in parts[:at]) for at, later in enumerate(parts) if at)


def _changes(process: Names) -> Numbers:
    """Return 0, 1, ... , one more wherever the process changes, shape (n,)."""
    changed = process[1:] != process[:-1]
    return np.concatenate(([0.0], np.cumsum(changed, dtype=np.float64)))[: len(process)]


def _readings(
    name: str, column: str, t_s: Numbers, memory: Sizes, life: Numbers, identity: Identity
) -> ProcessReadings:
    rss_bytes, resolution_bytes = memory.value, coarsest(memory.resolution)
    rounding = rounding_text(column, resolution_bytes)
    usual_s = usual_step(t_s)
    t_s, restarts = _after_one_another(t_s, usual_s)
    life = life + np.cumsum(restarts)
    one_life = _series(t_s, rss_bytes, life, resolution_bytes)
    unusable = _backwards(one_life) or _unusable(column, rss_bytes, resolution_bytes)
    doubt = _shape_doubt(one_life, identity) or _unread_doubt(column, rss_bytes)
    if restarts.any():
        fix = "record times that go on, for example date +%s" if identity.is_known else identity.fix
        doubt = f"its time starts over {_times(int(restarts.sum()))}, as it does when a process is started again: {fix}"
    read = np.flatnonzero(rss_bytes > 0)
    pause_s = np.diff(t_s[read])
    paused = (pause_s > PAUSE_STEPS * usual_s) & (life[read[1:]] == life[read[:-1]])
    found = ProcessReadings(name, one_life, unusable, doubt, rounding=rounding)
    if identity.is_known or usual_s <= 0 or not paused.any():
        return found
    begins = np.zeros(len(t_s))
    begins[read[1:][paused]] = 1
    longest = format_duration(float(pause_s[paused].max()))
    pauses = (
        f"pauses of up to {longest} without readings, {_times(int(paused.sum()))}: "
        f"the process may have been started again; {identity.fix}{identity.if_not_started}"
    )
    series = _series(t_s, rss_bytes, life + np.cumsum(begins), resolution_bytes)
    return replace(found, series=series, pauses=pauses, one_life=one_life)


def _after_one_another(t_s: Numbers, usual_s: float) -> tuple[Numbers, Numbers]:
    """Return times that go on where they started over, and 1 at every start over, each of shape (n,).

    Time starts over where it falls back to about the first; any other fall is left to the judge. ``usual_s`` is the
    usual step, seconds.
    """
    near_s = t_s[:1] + START_STEPS * usual_s
    back = (np.diff(t_s, prepend=t_s[:1]) < 0) & (t_s <= near_s) & (np.maximum.accumulate(t_s) > 2 * near_s)
    added = np.zeros(len(t_s))
    added[back] = (t_s[np.flatnonzero(back) - 1] - t_s[back]) + usual_s
    return t_s + np.cumsum(added), back.astype(np.float64)


def usual_step(t_s: Numbers) -> float:
    """Return the median step of times, seconds; 0 where none is later than the one before."""
    steps = np.diff(t_s)
    return float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0


def _backwards(series: SignalSeries) -> str:
    """Return that time goes backwards within a life, and the fix; empty where it does not."""
    read = np.isfinite(series.value)
    back = int(((np.diff(series.t_s[read]) < 0) & (np.diff(series.life[read]) == 0)).sum())
    if not back:
        return ""
    return (
        f"time goes backwards {_times(back)}, as where a clock is set back in autumn: "
        "record seconds since 1970, as date +%s writes them, or UTC, and sort the rows by time"
    )


def _unusable(column: str, rss_bytes: Numbers, resolution_bytes: float) -> str:
    """Return that a column measures nothing, as it is 0 or the same in all rows; empty where it may.

    Only cells that are no coarser than a page show the latter, and a whole number of MiB or MB may be rounded.
    """
    read = rss_bytes[np.isfinite(rss_bytes)]
    if not len(read) or read.min() != read.max():
        return ""
    if read[0] == 0:
        return f"{column} is 0 in all {len(read):,} rows: record it again, or name another column by --rss-column"
    if resolution_bytes <= PAGE_BYTES and len(read) >= MIN_SAMPLES and not is_whole_unit(float(read[0])):
        return (
            f"{column} is {read[0]:.0f} bytes in all {len(read):,} rows: record it under load, or name another column "
            "by --rss-column"
        )
    return ""


def _unread_doubt(column: str, value: Numbers) -> str:
    """Return that the first or the last rows have no reading, so that nobody saw what leaked then; empty where not."""
    read = np.flatnonzero(value > 0)
    if not len(read):
        return ""
    before, after = int(read[0]), len(value) - 1 - int(read[-1])
    if max(before, after) <= MOST_UNREAD_SHARE * len(value):
        return ""
    which, count = ("first", before) if before > after else ("last", after)
    return (
        f"{column} has no reading in the {which} {count:,} of {len(value):,} rows, which hides a leak: record it "
        "again, or remove these rows where the process was not there"
    )


def _shape_doubt(series: SignalSeries, identity: Identity) -> str:
    """Return that readings look like those of several processes which no column identifies; empty where they do not."""
    read = np.isfinite(series.value)
    value, life = series.value[read], series.life[read]
    same = life[1:] == life[:-1]
    if _take_turns(series.t_s[read], value):
        return (
            f"its rows take turns between levels, as those of processes that run side by side: {identity.fix}"
        )
    falls = int(((value[1:] < value[:-1] / 2) & same).sum())
    if falls >= MANY_FALLS:
        return (
            f"its memory fell by more than half {falls} times, as it does when a process is started again, and that "
            f"hides a leak: {identity.fix}"
        )
    falls = 0 if identity.is_known else _level_falls(value, life)
    if falls >= MANY_FALLS:
        return (
            f"its memory fell to a lower level {falls} times, as it may when a process is started again, and that "
            f"hides a leak: {identity.fix}{identity.if_not_started}"
        )
    return ""


def _level_falls(value: Numbers, life: Numbers) -> int:
    """Return how often memory fell at once, within a life, to a level below by LEAST_FALL and FALL_NOISE changes."""
    memory = pd.Series(value)
    before = memory.rolling(LEVEL_READINGS).min().shift()
    after = memory.rolling(LEVEL_READINGS).median().shift(1 - LEVEL_READINGS)
    usual = float(np.median(np.abs(np.diff(value)))) if len(value) > 1 else 0.0
    fell = (after < before * (1 - LEAST_FALL)) & (before - after > FALL_NOISE * usual) & (memory < before)
    return int((fell.to_numpy()[1:] & (life[1:] == life[:-1])).sum())


def _take_turns(t_s: Numbers, value: Numbers) -> bool:
    """Return whether rows come in groups of one moment, and change far less from one group to the next than within."""
    steps_s = np.diff(t_s)
    if len(value) < 4 * MAX_INTERLEAVED:
        return False
    if (steps_s <= AT_ONCE_SHARE * steps_s.mean()).mean() < MIN_TOGETHER_SHARE:
        return False
    apart = float(np.abs(np.diff(value)).mean())
    turns = (float(np.abs(value[lag:] - value[:-lag]).mean()) for lag in range(2, MAX_INTERLEAVED + 1))
    return any(turn < TURN_SHARE * apart for turn in turns)


def _with_count_doubts(
    found: dict[str, ProcessReadings], times_s: dict[str, Numbers]
) -> tuple[ProcessReadings, ...]:
    """Return the processes; where they become more, none that began late is cleared: each may be flat, not all."""
    end_s = max(float(t_s.max()) for t_s in times_s.values())
    late = {name for name, t_s in times_s.items() if t_s.min() > EARLY_SHARE * end_s}
    ended = {name for name, t_s in times_s.items() if t_s.max() < (1 - EARLY_SHARE) * end_s}
    before, after = len(found) - len(late), len(found) - len(ended)
    if after <= before:
        return tuple(found.values())
    text = f"the number of processes grew from {before} to {after}: record until it is constant"
    return tuple(replace(one, doubt=text) if name in late else one for name, one in found.items())


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _series(t_s: Numbers, rss_bytes: Numbers, life: Numbers, resolution_bytes: float) -> SignalSeries:
    return SignalSeries(
        signal="rss_bytes",
        t_s=t_s,
        value=np.where(rss_bytes > 0, rss_bytes, np.nan),
        life=1 + np.asarray(life - life[:1], dtype=np.float64),
        requests=np.full(len(t_s), np.nan),
        quantum=max(ARENA_BYTES, resolution_bytes),
    )
