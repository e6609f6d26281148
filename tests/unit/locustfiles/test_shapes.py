from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from locustfiles.shapes import Segment, incident_rates, segments
from soak.contract import LOAD, WARMUP, Incident, Traffic

INCIDENT = Incident(
    memory_scale=16.0, retained_bytes_per_request=15_000.0, start_bytes=80e6, limit_bytes=512e6
)


def planned_bytes(traffic: Traffic, incident: Incident, hours: float) -> float:
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


@pytest.mark.parametrize(("hour", "article_bytes"), [(1, 650e6), (2, 1.6e9), (3, 3.0e9), (4, 4.9e9)])
def test_incident_follows_the_article(
    make_traffic: Callable[..., Traffic], hour: int, article_bytes: float
) -> None:
    """At hours 1-4 the planned growth is the article's, scaled."""
    traffic = make_traffic(shape="incident", load_s=180.0)
    growth = planned_bytes(traffic, INCIDENT, hour) - INCIDENT.start_bytes
    assert growth == pytest.approx(article_bytes / 16, rel=1e-9)


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
    with pytest.raises(ValueError, match=r"shape 'spike' is unknown; it is one of steady, incident"):
        segments(make_traffic(shape="spike"))
