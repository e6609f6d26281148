"""The lines of the incident's log beside the same moments of the run."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from analysis.formatting import format_hours
from analysis.incident.checks import Check
from analysis.incident.claims import Claim, ClaimResult, cut_short, unknown
from analysis.incident.comparison import INCIDENT_BEFORE
from analysis.incident.formatting import format_megabytes, not_unless
from analysis.recording.measurements import ended, life_at_hour_0, memory_at
from analysis.recording.model import Arm, Life, Recording, sides

WARNING_BYTES: Final = 4.2e9
WARNING_H: Final = 3.126
"""Hours from the start at 02:16:12 to the warning at 05:23:45."""
SECOND_KILL_H: Final = 4.518
"""Hours from the start at 02:16:12 to the second OOM kill at 06:47:18."""
TIME_WITHIN: Final = 0.15
"""Greatest share by which a measured time may differ from the incident's."""
START_WITHIN: Final = 0.10
"""Greatest share by which memory after a restart may differ from that after the first start; the incident has 198 of
200 MB."""

NOT_KILLED: Final = "before was not killed and started again"


def timeline(recording: Recording) -> tuple[Claim, ...]:
    """Return the five lines of the incident's log; none when the run does not reproduce it or lacks a side."""
    before, after = sides(recording.arms)
    if not recording.manifest.incident or before is None or after is None:
        return ()
    first = life_at_hour_0(recording, before)
    killed = first if first and first.died else None
    second = next((life for life in before.lives if killed and life.number == killed.number + 1), None)
    warning, again = (f"{format_hours(hours)} h after started" for hours in (WARNING_H, SECOND_KILL_H))
    return (
        Claim.of("log: OOM-killed", "02:15:32", "s since the run's start", _killed(recording, killed)),
        Claim.of(
            "log: restart attempt", "02:15:45, +13 s", "s since the kill", _attempt(recording, killed, second)
        ),
        Claim.of(
            "log: started",
            "02:16:12, +40 s, 198 MB",
            "s since the kill",
            _started(recording, before, killed, second),
        ),
        Claim.of("log: above 4.2 GB", f"05:23:45, {warning}", "incident hours", _warning(recording, before)),
        Claim.of(
            "log: OOM-killed again", f"06:47:18, {again}", "incident hours", _killed_again(recording, second)
        ),
    )


def _killed(recording: Recording, first: Life | None) -> ClaimResult:
    if first is None:
        short = cut_short(recording)
        return unknown(short) if short else ClaimResult("not killed", Check(False, NOT_KILLED))
    check = Check(first.oom_killed, f"before {ended(recording, first)}")
    return ClaimResult(wall_clock(recording, first.end_s), check, before=first.end_s)


def _attempt(recording: Recording, first: Life | None, second: Life | None) -> ClaimResult:
    if first is None or second is None:
        return unknown(NOT_KILLED)
    wait_s = second.start_s - first.end_s
    check = Check(None, "the wait is the setting restart_delay_s, not a finding")
    return ClaimResult(f"{wall_clock(recording, second.start_s)}, +{wait_s:.1f} s", check, before=wait_s)


def _started(recording: Recording, before: Arm, first: Life | None, second: Life | None) -> ClaimResult:
    if first is None or second is None or second.ready_s is None:
        return unknown(NOT_KILLED)
    at_start, again = (first_memory(before, life) for life in (first, second))
    if at_start is None or again is None:
        return unknown("before's memory at a start was not read")
    after_s, share = second.ready_s - first.end_s, again / at_start
    met = abs(share - 1) <= START_WITHIN
    sentence = (
        f"life {second.number} started with {share:.0%} of the memory of life {first.number}, {not_unless(met)}within "
        f"{START_WITHIN:.0%} of it; neither the seconds nor a start's memory are scaled"
    )
    measured = f"{wall_clock(recording, second.ready_s)}, +{after_s:.1f} s, {format_megabytes(again)}"
    return ClaimResult(measured, Check(met, sentence), before=after_s)


def _warning(recording: Recording, before: Arm) -> ClaimResult:
    """Find when before had grown to the warning's memory, in the life that met the load."""
    start, life = memory_at(recording, before, 0), life_at_hour_0(recording, before)
    if start.value is None or life is None:
        return unknown(start.why_not)
    grown = (WARNING_BYTES - INCIDENT_BEFORE[0]) / recording.manifest.memory_scale
    rows = before.samples[before.samples["life"] == life.number]
    above_s = rows.loc[rows["rss_bytes"] >= start.value + grown, "t_s"]
    if above_s.empty and not life.died and cut_short(recording):
        return unknown(cut_short(recording))
    if above_s.empty:
        check = Check(met=False, sentence=f"before never grew {format_megabytes(grown)} above its hour 0")
        return ClaimResult("never", check)
    hours = recording.hours(float(above_s.iloc[0]))
    measured = f"{wall_clock(recording, float(above_s.iloc[0]))}, {format_hours(hours)} h after hour 0"
    check = _in_time(f"before had grown {format_megabytes(grown)}", hours, WARNING_H)
    return ClaimResult(measured, check, before=hours)


def _killed_again(recording: Recording, second: Life | None) -> ClaimResult:
    if second is None or second.ready_s is None:
        return unknown(NOT_KILLED)
    hours = (second.end_s - second.ready_s) / recording.manifest.hour_s
    if not second.oom_killed:
        return unknown(
            f"life {second.number} was not killed in the {format_hours(hours)} h that were left of the run"
        )
    measured = f"{wall_clock(recording, second.end_s)}, {format_hours(hours)} h after started"
    check = _in_time(f"life {second.number} was OOM-killed", hours, SECOND_KILL_H)
    return ClaimResult(measured, check, before=hours)


def wall_clock(recording: Recording, t_s: float) -> str:
    """Return a moment as the time of day, UTC, to find it in events.csv."""
    return f"{recording.manifest.started_wall_time + timedelta(seconds=t_s):%H:%M:%S}"


def first_memory(arm: Arm, life: Life) -> float | None:
    """Return the RSS, bytes, at a life's first reading."""
    values = arm.samples.loc[arm.samples["life"] == life.number, "rss_bytes"].dropna()
    return None if values.empty else float(values.iloc[0])


def _in_time(what: str, hours: float, incident_h: float) -> Check:
    met = abs(hours / incident_h - 1) <= TIME_WITHIN
    sentence = (
        f"{what} after {format_hours(hours)} h, {not_unless(met)}within {TIME_WITHIN:.0%} of the incident's "
        f"{format_hours(incident_h)} h"
    )
    return Check(met, sentence)
