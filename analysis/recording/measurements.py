"""The numbers a comparison is made of, each measured or with the reason why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis.formatting import format_hours
from analysis.recording.gauges import PREFIX
from analysis.recording.model import Arm, Life, Recording, chosen, within
from soak.contract import LOAD, QUIESCE

HOUR_WINDOW: Final = 0.02
"""Share of an hour before and after it whose median is the memory at that hour."""
MIN_WINDOW_S: Final = 1.5
"""Least number of seconds before and after a moment whose median is the memory at that moment."""
LOAD_WINDOW: Final = 0.01
"""Share of the load whose median is the memory at its start or end: what it gains meanwhile is as small a share."""
LEAST_ROWS: Final = 1.5
"""Steps between two readings of an arm that this takes at least, so that one of them lies in it."""
NO_LOAD: Final = "the run did not reach the phase load"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number that was measured, or why it was not."""

    value: float | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class MemoryGrowth:
    """An arm's memory, bytes, at hour 0 and at a later moment."""

    start: Measurement
    now: Measurement

    @property
    def bytes(self) -> float | None:
        """The growth between them; None when either was not measured."""
        return (
            None if self.start.value is None or self.now.value is None else self.now.value - self.start.value
        )

    @property
    def why_not(self) -> str:
        """Why there is no growth."""
        return self.start.why_not or self.now.why_not


def life_at_hour_0(recording: Recording, arm: Arm) -> Life | None:
    """Return the life in which the arm met the load."""
    if (load := recording.load) is None:
        return None
    return next((life for life in arm.lives if life.start_s <= load.start_s <= life.end_s), None)


def memory_at(recording: Recording, arm: Arm, hour: float) -> Measurement:
    """Return the median RSS, bytes, around an hour of the incident, in the life that met the load."""
    if (load := recording.load) is None:
        return Measurement(None, NO_LOAD)
    t_s = load.start_s + hour * recording.manifest.hour_s
    return _memory_near(recording, arm, arm.samples, t_s, _hour_window_s(recording))


def memory_under_load(recording: Recording, arm: Arm, *, at_end: bool) -> Measurement:
    """Return the median RSS, bytes, at the start or ``at_end`` of the load, of readings under load alone.

    It is that of the life that met the load.
    """
    if (load := recording.load) is None:
        return Measurement(None, NO_LOAD)
    rows = within(arm.samples, load.start_s, load.end_s)
    rows = chosen(rows, rows["phase"] == LOAD)
    apart_s = float(rows["t_s"].diff().median()) if len(rows) > 1 else 0.0
    share_s = min(LOAD_WINDOW * (load.end_s - load.start_s), _hour_window_s(recording))
    window_s = max(MIN_WINDOW_S, LEAST_ROWS * apart_s, share_s)
    return _memory_near(recording, arm, rows, load.end_s if at_end else load.start_s, window_s)


def _hour_window_s(recording: Recording) -> float:
    return max(MIN_WINDOW_S, HOUR_WINDOW * recording.manifest.hour_s)


def _memory_near(
    recording: Recording, arm: Arm, rows: pd.DataFrame, t_s: float, window_s: float
) -> Measurement:
    """Return the median RSS, bytes, of those rows around a moment that are of the life that met the load."""
    if (life := life_at_hour_0(recording, arm)) is None:
        return Measurement(None, f"{arm.name} was not alive at hour 0")
    if life.died and life.end_s < t_s:
        return Measurement(None, f"{arm.name} {ended(recording, life)}")
    near = (rows["life"] == life.number) & rows["t_s"].between(t_s - window_s, t_s + window_s)
    return _median(
        rows.loc[near, "rss_bytes"],
        f"{arm.name} has no reading of its memory at {when(recording, t_s)}",
    )


def growth(recording: Recording, arm: Arm, hour: float) -> MemoryGrowth:
    """Return the memory at an hour of the incident against that at hour 0."""
    return MemoryGrowth(memory_at(recording, arm, 0), memory_at(recording, arm, hour))


def idle_memory(recording: Recording, arm: Arm) -> Measurement:
    """Return the median RSS, bytes, of the phase idle."""
    if (idle := recording.idle) is None:
        return Measurement(None, "the run has no phase idle")
    rows = within(arm.samples, idle.start_s, idle.end_s)
    return _median(rows["rss_bytes"], f"{arm.name} has no reading of its memory while idle")


def peak(arm: Arm, column: str, life: Life | None = None) -> Measurement:
    """Return the highest reading of ``column``, in one life or in any.

    The quiesce ladder is left out: to name holders, the probe takes memory of the target itself.
    """
    rows = arm.readings(column)
    rows = chosen(rows, rows["phase"] != QUIESCE)
    values = rows[column] if life is None else rows.loc[rows["life"] == life.number, column]
    if values.empty:
        return Measurement(None, f"{arm.name} has no reading of {column.removeprefix(PREFIX)}")
    return Measurement(float(values.max()))


def rss_at_end(recording: Recording, arm: Arm) -> float | None:
    """Return the last reading of RSS under load, bytes; None where there is none."""
    if (load := recording.load) is None:
        return None
    read = within(arm.samples, load.start_s, load.end_s)["rss_bytes"].dropna()
    return float(read.iloc[-1]) if len(read) else None


def keeps_growing(recording: Recording, arm: Arm, column: str) -> bool | None:
    """Return whether ``column`` never falls within a life and still grows at the end of the longest one.

    The end is the last quarter of the readings under load. None when there are fewer than four.
    """
    if (load := recording.load) is None or column not in arm.samples:
        return None
    rows = within(arm.samples, load.start_s, load.end_s)[["life", column]].dropna(subset=column)
    lives = [values for _, values in rows.groupby("life")[column]]
    longest = max(lives, key=len, default=None)
    if longest is None or len(longest) < 4:
        return None
    never_falls = all(bool(values.is_monotonic_increasing) for values in lives)
    return never_falls and bool(longest.iloc[-1] > longest.iloc[len(longest) * 3 // 4 - 1])


def ended(recording: Recording, life: Life) -> str:
    """Say how and when a life ended: ``was OOM-killed by kernel at 5:37 h``."""
    return f"{'was OOM-killed' if life.oom_killed else 'ended'} by {life.ended_by} at {when(recording, life.end_s)}"


def when(recording: Recording, t_s: float) -> str:
    """Return a moment as hours of the incident, ``5:37 h``, else as minutes since the run's start."""
    if recording.manifest.incident and recording.load is not None:
        return f"{format_hours(recording.hours(t_s))} h"
    return f"{t_s / 60:.1f} min"


def _median(values: pd.Series[float], why_not: str) -> Measurement:
    values = values.dropna()
    return Measurement(None, why_not) if values.empty else Measurement(float(values.median()))
