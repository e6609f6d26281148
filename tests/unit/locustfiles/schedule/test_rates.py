from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from locustfiles.schedule.arrivals import schedule
from locustfiles.schedule.rates import DIURNAL_STEP_H, STEP_SHARES, Segment, incident_rates, segments
from soak.contract import LOAD, WARMUP, IncidentPlan, Traffic

INCIDENT = IncidentPlan(
    memory_scale=16.0, retained_bytes_per_request=15_000.0, start_bytes=80e6, limit_bytes=512e6
)


def planned_counts(traffic: Traffic, parts: int) -> list[int]:
    """Requests of the load by equal parts of its length, counted in the schedule."""
    counts = [0] * parts
    for request in schedule(traffic, 0.0):
        if (load_s := request.planned_s - traffic.warmup_s) >= 0:
            counts[int(load_s / traffic.load_s * parts)] += 1
    return counts


def planned_bytes(traffic: Traffic, incident: IncidentPlan, hours: float) -> float:
    """Planned memory at an hour of the load, summed segment by segment."""
    until_s = traffic.warmup_s + hours * traffic.hour_s
    requests = sum(
        segment.rate_rps * max(0.0, min(segment.end_s, until_s) - segment.start_s)
        for segment in segments(traffic)
        if segment.phase == LOAD
    )
    return incident.start_bytes + requests * incident.retained_bytes_per_request


def test_steady(make_traffic: Callable[..., Traffic]) -> None:
    """The shape steady is the warm-up and one rate, each with its own request size."""
    assert segments(make_traffic()) == (
        Segment(WARMUP, 0.0, 10.0, 5.0, 300),
        Segment(LOAD, 10.0, 30.0, 40.0, 1500),
    )


@pytest.mark.parametrize(("hour", "incident_bytes"), [(1, 650e6), (2, 1.6e9), (3, 3.0e9), (4, 4.9e9)])
def test_incident_follows_the_incident(
    make_traffic: Callable[..., Traffic], hour: int, incident_bytes: float
) -> None:
    """At hours 1-4 the planned growth is the incident's, scaled."""
    traffic = make_traffic(shape="incident", load_s=180.0)
    growth = planned_bytes(traffic, INCIDENT, hour) - INCIDENT.start_bytes
    assert growth == pytest.approx(incident_bytes / 16, rel=1e-9)


def test_pauses_leave_the_incident_its_growth(make_traffic: Callable[..., Traffic]) -> None:
    """With a pause every ten seconds, each hour still gets its requests."""
    traffic = make_traffic(shape="incident", load_s=180.0)
    paused = replace(traffic, quiesce_every_s=10.0, quiesce_pause_s=1.0)
    assert planned_counts(paused, 6) == planned_counts(traffic, 6)


@pytest.mark.parametrize("limit_bytes", [400e6, 512e6, 700e6])
def test_incident_meets_its_limit_at_5_6_hours(
    make_traffic: Callable[..., Traffic], limit_bytes: float
) -> None:
    """Whatever the limit, the planned memory meets it at 5.6 h, not before and not later."""
    incident = replace(INCIDENT, limit_bytes=limit_bytes)
    traffic = make_traffic(shape="incident", load_s=180.0, incident=incident)
    assert planned_bytes(traffic, incident, 5.6) == pytest.approx(limit_bytes, rel=1e-9)
    assert planned_bytes(traffic, incident, 5.5) < limit_bytes
    assert planned_bytes(traffic, incident, 5.7) > limit_bytes


def test_low_traffic_stretch() -> None:
    """From 4.2 to 4.6 h the rate is a tenth of what it is before and after."""
    (low_from_h, before), (low_to_h, low), (_, after) = incident_rates(INCIDENT, 30.0)[4:]
    assert (low_from_h, low_to_h) == (4.2, 4.6)
    assert low == pytest.approx(before / 10)
    assert after == before


@pytest.mark.parametrize(("load_s", "last_end_s"), [(50.0, 60.0), (180.0, 190.0), (400.0, 410.0)])
def test_incident_is_cut_or_goes_on(
    make_traffic: Callable[..., Traffic], load_s: float, last_end_s: float
) -> None:
    """A shorter load cuts the incident, a longer one keeps the last rate; there are no gaps."""
    plan = segments(make_traffic(shape="incident", load_s=load_s))
    assert [segment.start_s for segment in plan[1:]] == [segment.end_s for segment in plan[:-1]]
    assert plan[-1].end_s == last_end_s


def test_limit_met_too_early(make_traffic: Callable[..., Traffic]) -> None:
    """A limit that the first four hours reach is refused, and the message names the keys to change."""
    incident = replace(INCIDENT, limit_bytes=300e6)
    with pytest.raises(ValueError, match="before hour 4") as refused:
        segments(make_traffic(shape="incident", incident=incident))
    assert str(refused.value) == (
        "the incident meets its limit before hour 4: start_bytes 80000000 and a growth of 306250000 reach "
        "limit_bytes 300000000; raise limit_bytes or memory_scale, or lower start_bytes"
    )


def test_incident_without_its_figures(make_traffic: Callable[..., Traffic]) -> None:
    """The shape incident needs the key incident."""
    with pytest.raises(ValueError, match="shape incident needs the key incident"):
        segments(make_traffic(shape="incident", incident=None))


def test_unknown_shape(make_traffic: Callable[..., Traffic]) -> None:
    """An unknown shape is refused with the known ones."""
    with pytest.raises(
        ValueError, match=r"shape 'spike' is unknown; it is one of steady, incident, diurnal, steps"
    ):
        segments(make_traffic(shape="spike"))


def test_steps(make_traffic: Callable[..., Traffic]) -> None:
    """The rate climbs in four equal steps to its peak and comes down the same way, with exact counts."""
    traffic = make_traffic(shape="steps", load_s=140.0, rate_rps=40.0)
    assert planned_counts(traffic, len(STEP_SHARES)) == [200, 400, 600, 800, 600, 400, 200]
    plan = segments(traffic)
    assert [segment.end_s for segment in plan] == pytest.approx([10, 30, 50, 70, 90, 110, 130, 150])
    assert [segment.request_bytes for segment in plan] == [300] + [1500] * 7


def test_a_day_has_its_mean(make_traffic: Callable[..., Traffic]) -> None:
    """A whole day sends its mean, its first half sends more: 0.75 x 2 / pi above it, and the second as much less."""
    traffic = make_traffic(shape="diurnal", hour_s=10.0, load_s=240.0, rate_rps=50.0)
    assert planned_counts(traffic, 2) == [8865, 3135]
    assert 6000 * 0.75 * 2 / math.pi == pytest.approx(8865 - 6000, abs=1)


def test_a_day_swings_between_a_quarter_and_seven_quarters(make_traffic: Callable[..., Traffic]) -> None:
    """The rate is a sine around its mean: highest at hour 6, lowest at hour 18, the same the next day."""
    plan = segments(make_traffic(shape="diurnal", hour_s=10.0, load_s=480.0, rate_rps=100.0))[1:]
    rates = [segment.rate_rps for segment in plan]
    day = round(24 / DIURNAL_STEP_H)
    assert rates[:day] == pytest.approx(rates[day:])
    # The mean over a quarter of an hour is that much flatter than the sine.
    assert (max(rates), min(rates)) == pytest.approx((175.0, 25.0), abs=0.06)
    assert (rates.index(max(rates[:day])) + 1) * DIURNAL_STEP_H == pytest.approx(6.0, abs=DIURNAL_STEP_H)
    assert (rates.index(min(rates[:day])) + 1) * DIURNAL_STEP_H == pytest.approx(18.0, abs=DIURNAL_STEP_H)
    assert {round(segment.end_s - segment.start_s, 9) for segment in plan} == {2.5}


@pytest.mark.parametrize("load_s", [7.0, 33.0, 240.0, 250.5])
@pytest.mark.parametrize("shape", ["diurnal", "steps"])
def test_a_shape_fills_its_load(make_traffic: Callable[..., Traffic], shape: str, load_s: float) -> None:
    """Whatever its length, the load is planned to its end, without gaps."""
    plan = segments(make_traffic(shape=shape, hour_s=10.0, load_s=load_s))
    assert [segment.start_s for segment in plan[1:]] == [segment.end_s for segment in plan[:-1]]
    assert plan[-1].end_s == pytest.approx(10.0 + load_s)
