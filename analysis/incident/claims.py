"""The published claims of the incident beyond its table, each with its measurement and whether that confirms it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.formatting import format_hours
from analysis.incident.checks import Check
from analysis.incident.comparison import INCIDENT_AFTER
from analysis.incident.formatting import format_kilobytes, format_megabytes, not_unless
from analysis.incident.row import Reproduced, reproduced
from analysis.recording.measurements import life_at_hour_0, memory_at, peak
from analysis.recording.model import Arm, Phase, Recording, sides
from analysis.recording.requests import answered_by
from analysis.slopes import MIN_SLOPE_READINGS, LifeSlopes, life_slopes
from analysis.verdict.validity import LoadSummary
from soak.contract import LOAD, LOW_TRAFFIC_H

HOURS: Final = 6
"""Hours that the published incident, and so each of its claims, covers."""
LINEAR_R_SQUARED: Final = 0.95
"""Least R² of RSS over requests for growth to be linear."""
LOW_RATE_AT_MOST: Final = 0.5
"""Greatest share of the load's mean rate for a stretch to count as low traffic."""
LOW_GROWTH_AT_LEAST: Final = 0.5
"""Least growth per request at low traffic, as a share of before's in its whole life."""
AGAIN_WITHIN: Final = 0.25
"""Greatest share by which a restarted process's growth per request may differ from the first one's."""
CPU_WITHIN: Final = 0.25
"""Greatest share by which before's CPU time per request may differ from after's."""
AFTER_BELOW_BYTES: Final = 300e6
AVAILABLE_BEFORE: Final = (0.55, 0.65)
"""The incident's is 60%."""
AVAILABLE_AFTER: Final = 0.999
CODE_TIMES: Final = (("cache TTL of 1800 s", 1800), ("clean-up every 300 s", 300), ("sweep every 60 s", 60))
"""Constants of the gateways' code, which no profile scales, and the second in which each first comes due."""


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """The measurement for a claim: its text, its check, and the numbers."""

    measured: str
    check: Check
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim, or one line of the incident's log; its fields are the columns of claims.csv."""

    claim: str
    incident: str
    measured: str
    reproduced: Reproduced
    sentence: str
    unit: str
    """Unit of the raw columns."""
    measured_before_raw: float | None
    measured_after_raw: float | None

    @classmethod
    def of(cls, claim: str, incident: str, unit: str, found: ClaimResult) -> Claim:
        """Return the claim with the outcome of its check."""
        outcome = reproduced((found.check,))
        return cls(
            claim, incident, found.measured, outcome, found.check.sentence, unit, found.before, found.after
        )


def claims(
    recording: Recording, trends: tuple[LifeSlopes, ...], loads: tuple[LoadSummary, ...]
) -> tuple[Claim, ...]:
    """Return the claims about the incident; none when the run does not reproduce it or lacks one of the two sides."""
    before, after = sides(recording.arms)
    if not recording.manifest.incident or before is None or after is None:
        return ()
    life = life_at_hour_0(recording, before)
    lives = [trend for trend in trends if trend.arm == before.name]
    first = next((trend for trend in lives if life and trend.life == life.number), None)
    load_of = {load.arm: load for load in loads}
    per_request = "bytes per request"
    return (
        Claim.of("growth goes on", "linear", "R²", _growth_goes_on(first)),
        Claim.of("grows at low traffic too", "yes", per_request, _low_traffic(recording, before, first)),
        Claim.of("a restart brings it back", "yes", per_request, _restarted(lives, first)),
        Claim.of("CPU is normal", "yes", "ms of CPU per request", _cpu(recording, before, after)),
        Claim.of(
            "memory after stays below", format_megabytes(AFTER_BELOW_BYTES), "bytes", _below(recording, after)
        ),
        Claim.of(
            "availability before", "60%", "share", _available(recording, "before", load_of[before.name])
        ),
        Claim.of("availability after", "99.9%", "share", _available(recording, "after", load_of[after.name])),
        Claim.of("time to recover", "-90%", "s", _recovery(before, after)),
    )


def unknown(why: str) -> ClaimResult:
    """Return that nothing was measured, and why."""
    return ClaimResult("not measured", Check(None, why))


def _growth_goes_on(first: LifeSlopes | None) -> ClaimResult:
    if first is None or first.rss_bytes_per_request is None or first.rss_bytes_per_hour is None:
        return _too_few("before's first life")
    line, over_time = first.rss_bytes_per_request, first.rss_bytes_per_hour
    met = line.low > 0 and line.r_squared >= LINEAR_R_SQUARED
    sentence = (
        f"before's RSS over its requests: {format_kilobytes(line.value)} each, R² {line.r_squared:.3f}, "
        f"{not_unless(met)}growing with an R² of at least {LINEAR_R_SQUARED}; over time R² is "
        f"{over_time.r_squared:.3f}"
    )
    measured = f"{format_kilobytes(line.value)} per request, R² {line.r_squared:.3f}"
    return ClaimResult(measured, Check(met, sentence), before=line.r_squared)


def _low_traffic(recording: Recording, before: Arm, first: LifeSlopes | None) -> ClaimResult:
    life, load = life_at_hour_0(recording, before), recording.load
    if life is None or load is None or first is None or first.rss_bytes_per_request is None:
        return _too_few("before's first life")
    start_s, end_s = (load.start_s + hour * recording.manifest.hour_s for hour in LOW_TRAFFIC_H)
    stretch, hours = Phase("low traffic", start_s, end_s), "hours {:g} to {:g}".format(*LOW_TRAFFIC_H)
    low = life_slopes(before, life, stretch).rss_bytes_per_request
    if low is None:
        return _too_few(f"before in {hours}")
    rate = _planned_rps(before, stretch) / _planned_rps(before, load)
    if not rate <= LOW_RATE_AT_MOST:
        return unknown(f"the load was at {rate:.0%} of its mean rate in {hours}, which is not low")
    usual = first.rss_bytes_per_request.value
    met = low.low > 0 and low.value >= LOW_GROWTH_AT_LEAST * usual
    sentence = (
        f"in {hours}, at {rate:.0%} of the mean rate, before grew {format_kilobytes(low.value)} per request, "
        f"{not_unless(met)}at least {LOW_GROWTH_AT_LEAST:.0%} of the {format_kilobytes(usual)} of its whole life"
    )
    measured = f"{format_kilobytes(low.value)} per request at {rate:.0%} of the rate"
    return ClaimResult(measured, Check(met, sentence), before=low.value)


def _restarted(lives: list[LifeSlopes], first: LifeSlopes | None) -> ClaimResult:
    if first is None or first.rss_bytes_per_request is None:
        return _too_few("before's first life")
    later = [trend for trend in lives if trend.life > first.life]
    if not later:
        return unknown("before was not restarted under load")
    again = next((trend for trend in later if trend.rss_bytes_per_request), later[0])
    if again.rss_bytes_per_request is None:
        return _too_few(f"life {again.life} of before")
    slope, usual = again.rss_bytes_per_request.value, first.rss_bytes_per_request.value
    met = abs(slope - usual) <= AGAIN_WITHIN * abs(usual)
    sentence = (
        f"life {again.life} of before grew {format_kilobytes(slope)} per request, {not_unless(met)}within "
        f"{AGAIN_WITHIN:.0%} of the {format_kilobytes(usual)} of life {first.life}"
    )
    return ClaimResult(
        f"{format_kilobytes(slope)} per request in life {again.life}", Check(met, sentence), before=slope
    )


def _cpu(recording: Recording, before: Arm, after: Arm) -> ClaimResult:
    first, second = (cpu_ms_per_request(recording, arm) for arm in (before, after))
    if first is None or not second:
        return _too_few("the CPU time of before or after")
    changed = first / second - 1
    met = abs(changed) <= CPU_WITHIN
    sentence = (
        f"before took {first:.2f} ms of CPU per request, {changed:+.0%} against after, "
        f"{not_unless(met)}within {CPU_WITHIN:.0%} of it"
    )
    measured = f"{first:.2f} ms per request, after {second:.2f} ms"
    return ClaimResult(measured, Check(met, sentence), first, second)


def _below(recording: Recording, after: Arm) -> ClaimResult:
    life, start = life_at_hour_0(recording, after), memory_at(recording, after, 0)
    highest = peak(after, "rss_bytes", life)
    if recording.load is None or life is None or start.value is None or highest.value is None:
        return unknown(start.why_not or highest.why_not)
    if cut_short(recording):
        return unknown(cut_short(recording))
    scale = recording.manifest.memory_scale
    scaled = INCIDENT_AFTER[0] + (highest.value - start.value) * scale
    # At 1:1 the memory as it is has to stay below the bound as well.
    below = (max(scaled, highest.value) if scale == 1 else scaled) < AFTER_BELOW_BYTES
    sentence = (
        f"after reached {format_megabytes(highest.value)}, {format_megabytes(scaled)} at the incident's scale, "
        f"{not_unless(below)}below {format_megabytes(AFTER_BELOW_BYTES)}{' before it died' if life.died else ''}"
        f"{_never_due(recording, recording.load)}"
    )
    measured = f"{format_megabytes(highest.value)} ({format_megabytes(scaled)})"
    return ClaimResult(measured, Check(below and not life.died, sentence), after=highest.value)


def _available(recording: Recording, name: str, load: LoadSummary) -> ClaimResult:
    share = load.availability
    if share is None or cut_short(recording):
        return unknown(cut_short(recording) or f"no request was planned for {name}")
    low, high = AVAILABLE_BEFORE
    is_before = name == "before"
    met = low <= share <= high if is_before else share >= AVAILABLE_AFTER
    bounds = f"at least {AVAILABLE_AFTER:.1%}"
    if is_before:
        bounds = f"between {low:.0%} and {high:.0%}; the incident's own log, 40 s down after 4:31 h, comes to 99.8%"
    check = Check(met, f"{name} answered {share:.2%} of the planned requests well, {not_unless(met)}{bounds}")
    return ClaimResult(f"{share:.2%}", check, **{name: share})


def _recovery(before: Arm, after: Arm) -> ClaimResult:
    """Return the times to recover; an arm that never died has none, so only where both died is there a ratio."""
    first, second = recovery_s(before), recovery_s(after)
    if any(life.died for life in after.lives):
        return ClaimResult("after died too", Check(met=False, sentence="after died too"), first, second)
    if first is None:
        return unknown("before was not killed and started again")
    sentence = (
        f"before took {first:.1f} s from kill to ready, the setting restart_delay_s included; after never died, "
        "so it has no such time"
    )
    return ClaimResult(f"before {first:.1f} s, after never died", Check(None, sentence), before=first)


def cpu_ms_per_request(recording: Recording, arm: Arm) -> float | None:
    """Return the CPU time, milliseconds, of the life that met the load, per request it answered well."""
    life, load = life_at_hour_0(recording, arm), recording.load
    if life is None or load is None:
        return None
    under_load = arm.samples["t_s"].between(load.start_s, load.end_s)
    rows = arm.samples.loc[(arm.samples["life"] == life.number) & under_load, ["t_s", "cpu_s"]].dropna()
    if len(rows) < MIN_SLOPE_READINGS:
        return None
    requests = float(np.ptp(answered_by(arm, rows["t_s"].to_numpy(float))))
    return 1000 * float(np.ptp(rows["cpu_s"])) / requests if requests > 0 else None


def recovery_s(arm: Arm) -> float | None:
    """Return the mean time from a death to the next life's first answer; None when there was none."""
    times = [
        following.ready_s - life.end_s
        for life, following in zip(arm.lives, arm.lives[1:], strict=False)
        if life.died and following.ready_s is not None
    ]
    return float(np.mean(times)) if times else None


def cut_short(recording: Recording) -> str:
    """Return why the load does not cover the incident's six hours; empty when it does."""
    if recording.load is None:
        return "the run did not reach the phase load"
    end_h = recording.hours(recording.load.end_s)
    return (
        ""
        if end_h >= HOURS - 0.01
        else f"the load ended at {format_hours(end_h)} h, before {HOURS} hours were over"
    )


def _planned_rps(arm: Arm, stretch: Phase) -> float:
    rows = arm.requests.loc[arm.requests["phase"] == LOAD, ["t_s", "planned"]]
    # A row is the second that begins at its t_s, so the stretch's end is not in it.
    inside = rows["t_s"].between(stretch.start_s, stretch.end_s, inclusive="left")
    return float(rows.loc[inside, "planned"].mean())


def _never_due(recording: Recording, load: Phase) -> str:
    load_s = load.end_s - load.start_s
    late = [name for name, due_s in CODE_TIMES if load_s < due_s]
    if recording.manifest.hour_s >= 3600 or not late:
        return ""
    return f"; the code's own times are not scaled: in {load_s:.0f} s of load the {' and '.join(late)} never came due"


def _too_few(whose: str) -> ClaimResult:
    return unknown(f"{whose}: fewer than {MIN_SLOPE_READINGS} readings under load")
