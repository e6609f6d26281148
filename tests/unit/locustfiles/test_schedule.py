from __future__ import annotations

import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from itertools import islice, pairwise

import pytest

from locustfiles.schedule import arrivals, body, instance_name, live_instances, planned_starts, schedule
from locustfiles.shapes import Segment
from soak.contract import LOAD, WARMUP, Traffic


def test_counts_are_exact(make_traffic: Callable[..., Traffic]) -> None:
    """Every stretch gets its rate times its length, whatever the seed."""
    for seed in range(20):
        phases = Counter(
            WARMUP if request.planned_s < 110 else LOAD
            for request in schedule(make_traffic(seed=seed), 100.0)
        )
        assert phases == {WARMUP: 50, LOAD: 800}


def test_a_cell_across_two_rates_keeps_its_place() -> None:
    """Request i lies where the cumulative count is between i and i + 1, also where the rate changes."""
    plan = (
        Segment(LOAD, 0.0, 1.5, 1.0, 1),
        Segment(LOAD, 1.5, 2.0, 0.0, 1),
        Segment(LOAD, 2.0, 4.0, 5.25, 1),
    )

    def cumulative(t_s: float) -> float:
        return sum(part.rate_rps * max(0.0, min(t_s, part.end_s) - part.start_s) for part in plan)

    for seed in range(50):
        starts = [start_s for start_s, _ in arrivals(plan, random.Random(seed))]
        assert [int(cumulative(start_s) + 1e-9) for start_s in starts] == list(range(12))
        assert not any(1.5 < start_s < 2.0 for start_s in starts)


def test_arrivals_are_in_order_and_locally_random(make_traffic: Callable[..., Traffic]) -> None:
    """Starts never go back, and the gaps between them are not all alike."""
    starts = [request.planned_s for request in schedule(make_traffic(), 0.0)]
    gaps = [after - before for before, after in pairwise(starts)]
    assert min(gaps) >= 0
    assert max(gaps[60:]) > 1.5 / 40
    assert min(gaps[60:]) < 0.5 / 40


def test_same_seed_same_stream_for_any_arms(make_traffic: Callable[..., Traffic]) -> None:
    """The stream depends on the seed; arms, users and timeouts change nothing, another seed all."""
    stream = list(schedule(make_traffic(), 3.0))
    assert stream == list(
        schedule(
            make_traffic(arms={"only": "http://127.0.0.1:9"}, users_per_arm=9, network_timeout_s=1.0), 3.0
        )
    )
    other = list(schedule(make_traffic(seed=8), 3.0))
    assert not {request.body for request in stream} & {request.body for request in other}
    assert not {request.planned_s for request in stream} & {request.planned_s for request in other}


def test_planned_starts_are_those_of_the_schedule(make_traffic: Callable[..., Traffic]) -> None:
    """The starts alone are those of the requests."""
    traffic = make_traffic()
    assert list(planned_starts(traffic, 3.0)) == [request.planned_s for request in schedule(traffic, 3.0)]


def test_bodies(make_traffic: Callable[..., Traffic]) -> None:
    """Bodies are JSON of the phase's size, with the seed and index as id, and payloads that differ."""
    requests = list(schedule(make_traffic(), 0.0))
    assert {len(request.body) for request in requests[:50]} == {300}
    assert {len(request.body) for request in requests[50:]} == {1500}
    objects = [json.loads(request.body) for request in requests]
    assert [item["id"] for item in objects] == [f"7-{index}" for index in range(850)]
    assert all(list(item) == ["id", "payload"] for item in objects)
    assert len({item["payload"] for item in objects}) > 840


def test_a_body_too_small_for_its_id() -> None:
    """A size below what the id needs gives an empty payload, not a broken object."""
    assert json.loads(body("7-123456", 5, b"abc")) == {"id": "7-123456", "payload": ""}


def test_instances_come_and_go(make_traffic: Callable[..., Traffic]) -> None:
    """Six article hours at 50 new ones an hour show about 300 names, a few at a time, of all services."""
    traffic = make_traffic(shape="incident", load_s=180.0)
    names = [(request.planned_s - 10.0, request.path) for request in schedule(traffic, 0.0)]
    assert 290 <= len({name for _, name in names}) <= 306
    first_hour = {name for t_s, name in names if 0 <= t_s < 30}
    last_hour = {name for t_s, name in names if t_s >= 150}
    assert not first_hour & last_hour
    in_one_instant = {name for t_s, name in names if 90.0 <= t_s < 90.6}
    assert 2 < len(in_one_instant) <= 7
    assert {name.split("-")[0] for name in in_one_instant} == {"/api/orders", "/api/users", "/api/stock"}
    assert {name for t_s, name in names if t_s < 0} <= {
        f"/api/{instance_name(traffic.services, number)}" for number in range(6)
    }


@pytest.mark.parametrize(
    ("load_s", "first"), [(-10.0, 0), (0.0, 0), (0.59, 0), (0.61, 1), (29.9, 49), (30.1, 50), (180.1, 300)]
)
def test_the_window_slides(make_traffic: Callable[..., Traffic], load_s: float, first: int) -> None:
    """The window of live instances moves by one for each new name, from the start of the load."""
    assert live_instances(make_traffic(), load_s) == range(first, first + 6)


def test_instance_names() -> None:
    """Numbers go round the services."""
    assert [instance_name(("orders", "users"), number) for number in (0, 1, 2, 35, 2001)] == [
        "orders-000",
        "users-000",
        "orders-001",
        "users-017",
        "users-1000",
    ]


def test_memory_does_not_grow_with_the_run(make_traffic: Callable[..., Traffic]) -> None:
    """The schedule of 72 hours is lazy: its memory after ten thousand requests is that after a hundred."""
    requests = schedule(make_traffic(load_s=72 * 3600.0), 0.0)
    for _ in islice(requests, 100):
        pass
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in islice(requests, 10_000):
            pass
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000
    assert peak - before < 500_000
