from __future__ import annotations

import json
import random
import tracemalloc
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import islice, pairwise

import pytest

from locustfiles.schedule.arrivals import (
    arrivals,
    instance_name,
    live_instances,
    made_ahead,
    planned_starts,
    request_body,
    schedule,
)
from locustfiles.schedule.rates import Segment
from soak.contract import LOAD, WARMUP, Traffic
from soak.plan.quiesce_points import points


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


@pytest.mark.parametrize(
    ("every_s", "pause_s", "warmup_s", "load_s"),
    [(5.0, 1.0, 10.0, 20.0), (4.0, 1.5, 10.0, 23.5), (7.3, 0.5, 10.0, 31.0), (0.2, 0.05, 0.6, 4.0)],
)
def test_pauses_hold_no_start_and_change_no_count(
    make_traffic: Callable[..., Traffic], every_s: float, pause_s: float, warmup_s: float, load_s: float
) -> None:
    """No request starts in a pause; each period and each phase has the requests it would have had without."""
    plain = make_traffic(warmup_s=warmup_s, load_s=load_s)
    paused = replace(plain, quiesce_every_s=every_s, quiesce_pause_s=pause_s)
    before, after = list(planned_starts(plain, 0.0)), list(planned_starts(paused, 0.0))
    assert after == sorted(after)
    for number in range(1, int((warmup_s + load_s) / every_s) + 1):
        end_s = number * every_s
        assert not any(end_s - pause_s + 1e-9 < start_s < end_s - 1e-9 for start_s in after)
        assert bisect_left(after, end_s - 1e-9) == bisect_left(before, end_s - 1e-9)
    for boundary_s in (warmup_s, warmup_s + load_s):
        assert bisect_left(after, boundary_s - 1e-9) == bisect_left(before, boundary_s - 1e-9)
    assert len(after) == len(before)


def test_a_load_that_ends_before_its_pause_is_not_squeezed(make_traffic: Callable[..., Traffic]) -> None:
    """Requests move only where a pause would have held some."""
    plain = make_traffic(warmup_s=10.0, load_s=8.0)
    paused = replace(plain, quiesce_every_s=10.0, quiesce_pause_s=1.0)
    loaded = slice(50, None)
    assert list(planned_starts(paused, 0.0))[loaded] == list(planned_starts(plain, 0.0))[loaded]


def test_pauses_are_the_same_for_every_arm_and_worker(make_traffic: Callable[..., Traffic]) -> None:
    """The shares of two workers and the requests of another set of arms are those of one sender to two arms."""
    traffic = make_traffic(quiesce_every_s=5.0)
    whole = list(schedule(traffic, 3.0))
    assert list(schedule(replace(traffic, arms={"only": "http://127.0.0.1:9"}), 3.0)) == whole
    shares = [list(islice(schedule(traffic, 3.0), share, None, 2)) for share in (0, 1)]
    assert [request for pair in zip(*shares, strict=True) for request in pair] == whole


def test_no_request_is_planned_between_a_point_and_the_end_of_its_pause(
    make_traffic: Callable[..., Traffic],
) -> None:
    """What the run takes for a pause is one of the schedule, also for a load that starts at any second."""
    traffic = make_traffic(quiesce_every_s=4.0, quiesce_pause_s=1.5)
    starts = list(planned_starts(traffic, 17.0))
    taken = list(points(traffic, 17.0))
    assert len(taken) == 7
    for point in taken:
        assert not any(point.at_s - 0.75 <= start_s < point.end_s for start_s in starts)
        assert any(point.end_s <= start_s < point.end_s + 1 for start_s in starts) or point is taken[-1]


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
    assert json.loads(request_body("7-123456", 5, "abc")) == {"id": "7-123456", "payload": ""}


def test_instances_come_and_go(make_traffic: Callable[..., Traffic]) -> None:
    """Six incident hours at 50 new ones an hour show about 300 names, a few at a time, of all services."""
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


def test_requests_made_ahead_are_the_same(make_traffic: Callable[..., Traffic]) -> None:
    """All of them, in their order; of an endless stream no more are made than are held."""
    requests = list(schedule(make_traffic(), 0.0))
    assert list(made_ahead(requests)) == requests
    stream = iter(requests)
    taken = made_ahead(stream, 4)
    assert [next(taken) for _ in range(5)] == requests[:5]
    assert next(stream) == requests[8]
