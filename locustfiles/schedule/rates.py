"""Shapes of the load: the rate of requests to each arm, segment by segment."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from soak.contract import (
    DIURNAL_SWING,
    INCIDENT_MEMORY_BYTES,
    LOAD,
    LOW_TRAFFIC_H,
    MOST_HOURS,
    SHAPES,
    WARMUP,
    IncidentPlan,
    Traffic,
)

SOLVED_FROM_H = 4
"""Hour of the incident until which the rates follow its increments; from it on one rate is solved."""
LOW_TRAFFIC_SHARE = 0.1
"""Rate in the incident's hours of low traffic, as a share of the solved rate."""
LIMIT_MET_H = 5.6
"""Hour of the incident at which the planned memory meets the limit."""

DAY_H = 24
DIURNAL_STEP_H = 0.25
"""Length of a segment of one rate in the diurnal shape, hours."""
STEP_SHARES = (0.25, 0.5, 0.75, 1.0, 0.75, 0.5, 0.25)
"""Rates of the shape steps, as shares of the peak. Each comes before and after it: does memory follow the rate back?"""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment of one rate; times are seconds since the start of the warm-up."""

    phase: str
    start_s: float
    end_s: float
    rate_rps: float
    """Rate in requests per second and arm."""
    request_bytes: int


def segments(traffic: Traffic) -> tuple[Segment, ...]:
    """Return the warm-up and the load as segments of one rate, in order and without gaps.

    Raises ValueError when the shape is unknown or the incident's figures have no solution.
    """
    warmup = Segment(WARMUP, 0.0, traffic.warmup_s, traffic.warmup_rps, traffic.warmup_request_bytes)
    return (warmup, *_load(traffic))


def _load(traffic: Traffic) -> Iterator[Segment]:
    load_end_s = traffic.warmup_s + traffic.load_s
    start_s = traffic.warmup_s
    for end_h, rate_rps in _rates(traffic):
        end_s = min(traffic.warmup_s + end_h * traffic.hour_s, load_end_s)
        if start_s < end_s:
            yield Segment(LOAD, start_s, end_s, rate_rps, traffic.request_bytes)
        start_s = end_s


def _rates(traffic: Traffic) -> tuple[tuple[float, float], ...]:
    match traffic.shape, traffic.incident:
        case "steady", _:
            return ((math.inf, traffic.rate_rps),)
        case "diurnal", _:
            return diurnal_rates(traffic.rate_rps, traffic.load_s / traffic.hour_s)
        case "steps", _:
            hours = traffic.load_s / traffic.hour_s / len(STEP_SHARES)
            return tuple(
                (number * hours, traffic.rate_rps * share) for number, share in enumerate(STEP_SHARES, 1)
            )
        case "incident", IncidentPlan() as incident:
            return incident_rates(incident, traffic.hour_s)
        case "incident", None:
            raise ValueError("shape incident needs the key incident; give it, or take the shape steady")
        case shape, _:
            raise ValueError(f"shape {shape!r} is unknown; it is one of {', '.join(SHAPES)}")


def diurnal_rates(mean_rps: float, hours: float) -> tuple[tuple[float, float], ...]:
    """Return (end in incident hours, requests per second and arm) of ``hours`` of days: a sine from its mean upwards.

    Each segment of DIURNAL_STEP_H has the mean of the sine over it, so every whole day sends exactly its mean. Raises
    ValueError for more than MOST_HOURS.
    """
    if not hours <= MOST_HOURS:
        raise ValueError(
            f"a load of {hours:g} hours of a day is too long to be planned, at most {MOST_HOURS:,}"
        )
    turn = 2 * math.pi / DAY_H

    def swing(start_h: float) -> float:
        end_h = start_h + DIURNAL_STEP_H
        return (math.cos(turn * start_h) - math.cos(turn * end_h)) / (turn * DIURNAL_STEP_H)

    starts_h = (step * DIURNAL_STEP_H for step in range(math.ceil(hours / DIURNAL_STEP_H)))
    return tuple(
        (start_h + DIURNAL_STEP_H, mean_rps * (1 + DIURNAL_SWING * swing(start_h))) for start_h in starts_h
    )


def incident_rates(incident: IncidentPlan, hour_s: float) -> tuple[tuple[float, float], ...]:
    """Return (end in incident hours, requests per second and arm) of each segment of the incident.

    Hours 1-4 retain what the incident's gateway gained in that hour, scaled. After them one rate is solved so that
    the planned memory meets the limit at LIMIT_MET_H; it falls to LOW_TRAFFIC_SHARE of itself within
    LOW_TRAFFIC_H, and holds as long as the load lasts. Raises ValueError when the limit is met before hour 4.
    """
    known = [
        (hour, memory / incident.memory_scale)
        for hour, memory in INCIDENT_MEMORY_BYTES
        if hour <= SOLVED_FROM_H
    ]
    growth_bytes = known[-1][1] - known[0][1]
    left_bytes = incident.limit_bytes - incident.start_bytes - growth_bytes
    if left_bytes <= 0:
        raise ValueError(
            f"the incident meets its limit before hour {SOLVED_FROM_H}: start_bytes {incident.start_bytes:.0f} and a "
            f"growth of {growth_bytes:.0f} reach limit_bytes {incident.limit_bytes:.0f}; raise limit_bytes or "
            "memory_scale, or lower start_bytes"
        )
    low_from_h, low_to_h = LOW_TRAFFIC_H
    full_rate_h = LIMIT_MET_H - SOLVED_FROM_H - (1 - LOW_TRAFFIC_SHARE) * (low_to_h - low_from_h)

    def rate_rps(kept_bytes: float, hours: float) -> float:
        return kept_bytes / (incident.retained_bytes_per_request * hours * hour_s)

    solved_rps = rate_rps(left_bytes, full_rate_h)
    return (
        *(
            (hour, rate_rps(after - before, hour - since))
            for (since, before), (hour, after) in pairwise(known)
        ),
        (low_from_h, solved_rps),
        (low_to_h, solved_rps * LOW_TRAFFIC_SHARE),
        (math.inf, solved_rps),
    )
