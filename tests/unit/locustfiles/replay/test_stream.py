"""The requests of a replay, as users take them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice

import gevent

from locustfiles.replay.gate import Gate
from locustfiles.replay.stream import ENDLESS_S, ReplayQueue, replayed
from locustfiles.schedule.arrivals import schedule
from locustfiles.schedule.requests import BAD_CLIENTS
from soak.contract import Traffic, TrafficRequest
from tests.unit.locustfiles.conftest import ScriptedClock

MakeTraffic = Callable[..., Traffic]
KINDS = (
    TrafficRequest(name="good", method="GET", path="/good/{n}"),
    TrafficRequest(name="bad", method="GET", path="/bad/{n}", client="abort"),
)


def test_the_stream_is_that_of_the_run_from_its_start(make_traffic: MakeTraffic) -> None:
    """Then it goes on with the next seed."""
    traffic = make_traffic(warmup_request_bytes=1500)
    run = [(one.path, one.body) for one in schedule(traffic, 0.0)]
    found = [(one.path, one.body) for one in islice(replayed(traffic), 2 * len(run))]
    assert found[: len(run)] == run
    assert found[len(run) :] != run


def test_a_warm_up_with_other_sizes_is_left_out(make_traffic: MakeTraffic) -> None:
    """The leak is known per request of the judged load."""
    sizes = {len(one.body) for one in islice(replayed(make_traffic()), 100)}
    assert sizes == {1500}


def test_a_mix_that_rotates_is_replayed_as_a_constant_one(make_traffic: MakeTraffic) -> None:
    """What a site gains per request would be uneven else."""
    rotating = make_traffic(requests=KINDS, warmup_request_bytes=1500, mix="rotate")
    constant = make_traffic(requests=KINDS, warmup_request_bytes=1500)
    assert [*islice(replayed(rotating), 500)] == [*islice(replayed(constant), 500)]


def test_users_get_requests_while_the_gate_is_open(make_traffic: MakeTraffic, clock: ScriptedClock) -> None:
    """However late they are by the plan; what is sent is counted at the gate."""
    traffic, gate = make_traffic(), Gate(clock.now)
    queue = ReplayQueue(replayed(traffic), gate, 2, clock.now)
    clock.t_s = 1000.0
    gate.open(2, 0.0)
    for _ in range(2):
        request = queue.take()
        queue.counter.sent(clock.t_s, request.name)
        assert request.planned_s == 1000.0
    late = gevent.spawn(queue.take)
    gevent.sleep(0)
    assert not late.ready()
    assert gate.in_flight == 2
    for failure in (None, "timeout"):
        queue.counter.ended(clock.t_s, 0.0, 0.0, failure)
    assert gate.in_flight == 0
    assert gate.failed == {"timeout": 1}
    late.kill()


def test_a_websocket_is_in_flight_until_it_is_closed(make_traffic: MakeTraffic, clock: ScriptedClock) -> None:
    """Opened and messages alone end nothing."""
    gate = Gate(clock.now)
    counter = ReplayQueue(replayed(make_traffic()), gate, 3, clock.now).counter
    counter.sent(0.0, "ws")
    counter.opened(0.0, 0.0, 0.0)
    counter.message_sent(0.0)
    counter.message_received(0.0, 0.0)
    assert gate.in_flight == 1
    counter.closed(0.0, None)
    assert gate.in_flight == 0


def test_bad_clients_get_their_requests_from_the_same_stream(
    make_traffic: MakeTraffic, clock: ScriptedClock
) -> None:
    """In its order; while as many wait as are sent at once, nobody gets any."""
    gate = Gate(clock.now)
    queue = ReplayQueue(replayed(make_traffic(requests=KINDS)), gate, 3, clock.now)
    gate.open(1000, 10.0)
    taken: list[int] = []

    def take_forever() -> None:
        while True:
            request = queue.take()
            queue.counter.sent(0.0, request.name)
            taken.append(request.index)

    user = gevent.spawn(take_forever)
    gevent.sleep(0.01)
    assert len(queue) == 3
    bad = [queue.take(BAD_CLIENTS) for _ in range(3)]
    assert [one.client for one in bad] == ["abort"] * 3
    assert sorted([*taken, *(one.index for one in bad)]) == list(range(len(taken) + 3))
    assert bad[0].until_s == ENDLESS_S
    user.kill()
