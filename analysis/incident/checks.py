"""The rules by which a measurement reproduces the incident, with their tolerances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from analysis.incident.formatting import format_megabytes, not_unless
from analysis.recording.gauges import PREFIX
from analysis.recording.measurements import (
    Measurement,
    MemoryGrowth,
    ended,
    keeps_growing,
    life_at_hour_0,
    memory_at,
    peak,
    when,
)
from analysis.recording.model import Arm, Recording

GROWTH_WITHIN: Final = 0.15
"""Greatest share by which before's growth above hour 0 may differ from the incident's."""
STABLE_WITHIN: Final = 0.10
"""Greatest share by which after's memory may differ from its memory at hour 0."""
OOM_HOURS: Final = (5.0, 6.0)
"""The hours between which before must be OOM-killed."""
LIMIT_REACHED_AT: Final = 0.98
"""An arm that was not killed has reached its limit at this share of it."""
START_CHANGE: Final = (-0.15, -0.05)
"""Bounds of the change from before's memory at start to after's; the incident has -10%."""
TASKS_BEFORE: Final = 10_000
"""Least peak of finished tasks still referenced in before."""
TASKS_AFTER: Final = 50
"""The peak of finished tasks still referenced in after must be below this."""
SESSIONS_BEFORE: Final = 100
"""Least peak of open sessions in before."""
SESSIONS_AFTER: Final = 10
"""The peak of open sessions in after must be below this."""
CACHE: Final = PREFIX + "cache_entries"
"""The gauge that the incident's gateways register for their cache."""
CACHE_BOUND_ENTRIES: Final = 5_000
"""Cache entries that before must exceed and after must never exceed."""


@dataclass(frozen=True, slots=True)
class Check:
    """One condition: met, not met, or None for not measurable; and its sentence."""

    met: bool | None
    sentence: str


def start_check(before: Measurement, after: Measurement) -> Check:
    """Memory while idle: after is about a tenth below before."""
    if not before.value or after.value is None:
        return Check(None, before.why_not or after.why_not)
    low, high = START_CHANGE
    changed = after.value / before.value - 1
    met = low <= changed <= high
    rule = f"after idles {round(changed, 3) + 0.0:+.1%} from before, {not_unless(met)}between {low:.0%} and {high:.0%}"
    return Check(met, f"{rule}: both variants use the same libraries" if abs(changed) < -high else rule)


def growth_check(grown: MemoryGrowth, incident_bytes: float, scale: float) -> Check:
    """Before's growth, times the scale, is about the incident's."""
    if grown.bytes is None:
        return Check(None, grown.why_not)
    met = abs(grown.bytes * scale / incident_bytes - 1) <= GROWTH_WITHIN
    return Check(
        met,
        f"before grew {_scaled(grown.bytes, scale)}, "
        f"{not_unless(met)}within {GROWTH_WITHIN:.0%} of the incident's {format_megabytes(incident_bytes)}",
    )


def _scaled(grown_bytes: float, scale: float) -> str:
    """Return the growth, and at the incident's scale where that is another."""
    return format_megabytes(grown_bytes) + (
        "" if scale == 1 else f", x {scale:g} = {format_megabytes(grown_bytes * scale)}"
    )


def stable_check(grown: MemoryGrowth, incident_bytes: float, scale: float) -> Check:
    """After's memory stays about what it was at hour 0, or at least grows no more than the incident's did."""
    if grown.start.value is None or grown.now.value is None or grown.bytes is None:
        return Check(None, grown.why_not)
    if grown.start.value <= 0:
        return Check(None, "after had no memory at hour 0")
    share = grown.now.value / grown.start.value
    stable = abs(share - 1) <= STABLE_WITHIN
    sentence = f"after is at {share:.1%} of its hour 0, {not_unless(stable)}within {STABLE_WITHIN:.0%} of it"
    if stable:
        return Check(True, sentence)
    met = grown.bytes * scale <= incident_bytes
    return Check(
        met,
        f"{sentence}, {'but' if met else 'and'} grew {_scaled(grown.bytes, scale)}, "
        f"{'no ' if met else ''}more than the incident's {format_megabytes(incident_bytes)}",
    )


def oom_check(recording: Recording, before: Arm) -> Check:
    """Before is OOM-killed in time, or at least reaches its limit."""
    start, life = memory_at(recording, before, 0), life_at_hour_0(recording, before)
    if recording.load is None or life is None or start.value is None:
        return Check(None, start.why_not)
    low, high = OOM_HOURS
    if life.died:
        met = life.oom_killed and low <= recording.hours(life.end_s) <= high
        how = f"before {ended(recording, life)}"
        return Check(met, how if met else f"{how}, not OOM-killed between hours {low:g} and {high:g}")
    highest = max(peak(before, column, life).value or 0.0 for column in ("rss_bytes", "cgroup_bytes"))
    limit = (
        "no limit" if before.limit_bytes is None else f"its limit of {format_megabytes(before.limit_bytes)}"
    )
    if before.limit_bytes and highest >= LIMIT_REACHED_AT * before.limit_bytes:
        return Check(met=True, sentence=f"before reached {format_megabytes(highest)} under {limit}")
    if recording.hours(recording.load.end_s) < high - 0.01:
        end = when(recording, recording.load.end_s)
        return Check(None, f"the load ended at {end}, before that could happen")
    return Check(
        met=False, sentence=f"before was not OOM-killed: it reached {format_megabytes(highest)} under {limit}"
    )


def at_least(before: Measurement, least: int, unit: str) -> Check:
    """Check that before retained at least so many."""
    if before.value is None:
        return Check(None, before.why_not)
    met = before.value >= least
    return Check(met, f"before kept {before.value:,.0f} {unit}, {not_unless(met)}at least {least:,}")


def fewer_than(after: Measurement, bound: int) -> Check:
    """Check that after retained fewer."""
    if after.value is None:
        return Check(None, after.why_not)
    met = after.value < bound
    return Check(met, f"after kept {after.value:,.0f} of them, {not_unless(met)}fewer than {bound:,}")


def unbounded_check(recording: Recording, before: Arm) -> Check:
    """Before's cache passes the bound and grows as long as it is loaded."""
    highest, growing = peak(before, CACHE), keeps_growing(recording, before, CACHE)
    if highest.value is None or growing is None:
        return Check(None, highest.why_not or f"{before.name} has too few readings of cache_entries")
    met = growing and highest.value > CACHE_BOUND_ENTRIES
    return Check(
        met,
        f"before held {highest.value:,.0f} entries, {not_unless(met)}more than {CACHE_BOUND_ENTRIES:,} "
        "and growing to its end",
    )


def bounded_check(after: Measurement) -> Check:
    """After's cache never passes the bound."""
    if after.value is None:
        return Check(None, after.why_not)
    met = after.value <= CACHE_BOUND_ENTRIES
    return Check(met, f"after held {after.value:,.0f}, {not_unless(met)}at most {CACHE_BOUND_ENTRIES:,}")
