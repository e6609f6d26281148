import asyncio
import gc
import json
from typing import Any

import pytest
from aiohttp import web

from gateway.interface import Stats
from gateway.upstreams import Address, Upstreams
from gateway.variants.leaky import Fault, LeakyGateway, Link, parse_faults

REQUESTS = 6
NAMES = ("orders-1", "orders-2", "users-1")


async def answer(request: web.Request) -> web.StreamResponse:
    """Say who was asked what."""
    return web.json_response({"host": request.headers["Host"], "asked": await request.json()})


def run_requests(upstream: Any, without: frozenset[Fault]) -> tuple[Stats, list[bytes]]:
    """Serve six different requests to three instances, let the background work end, and return the sizes."""

    async def scenario() -> tuple[Stats, list[bytes]]:
        async with upstream(answer) as services:
            gateway = LeakyGateway(services, without, process_s=0)
            answers = [
                await gateway.handle_request(NAMES[n % len(NAMES)], {"id": n}) for n in range(REQUESTS)
            ]
            await asyncio.wait_for(asyncio.gather(*gateway.background_tasks), timeout=5)
            await asyncio.sleep(0)
            stats = gateway.stats()
            await gateway.aclose()
            return stats, answers

    return asyncio.run(scenario())


def test_the_answer_is_the_services(upstream: Any) -> None:
    """The service is asked by the instance's name with the request's data, and its JSON is returned."""
    _, answers = run_requests(upstream, frozenset())
    assert json.loads(answers[1]) == {"host": "orders-2", "asked": {"id": 1}}


def test_everything_grows(upstream: Any) -> None:
    """With all faults a task, a cache entry and a record stay per request, and a session per name."""
    stats, _ = run_requests(upstream, frozenset())
    assert stats == Stats(background_tasks=6, sessions=3, cache_entries=6, history_entries=6)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault.TASKS, Stats(0, 3, 6, 6)),
        (Fault.SESSIONS, Stats(6, 1, 6, 6)),
        (Fault.CACHE, Stats(6, 3, 0, 6)),
        (Fault.HISTORY, Stats(6, 3, 6, 0)),
        (Fault.CYCLES, Stats(6, 3, 6, 6)),
    ],
)
def test_each_fault_can_be_left_out(upstream: Any, fault: Fault, expected: Stats) -> None:
    """Leaving one fault out stops its growth and no other's."""
    stats, _ = run_requests(upstream, frozenset({fault}))
    assert stats == expected


def test_history_keeps_the_requests_data(upstream: Any) -> None:
    """A record has the incident's fields, and the very data of the request."""

    async def scenario() -> None:
        async with upstream(answer) as services:
            gateway = LeakyGateway(services, process_s=0)
            data = {"id": 1}
            result = json.loads(await gateway.handle_request("orders", data))
            (record,) = gateway.request_history
            assert record["data"] is data
            assert record["timestamp"] > 0
            assert (record["service"], record["result"]) == ("orders", result)
            assert gateway.response_cache == {f"orders_{hash(str(data))}": result}
            await gateway.aclose()

    asyncio.run(scenario())


@pytest.mark.parametrize(("without", "cycles"), [(frozenset(), 2 * REQUESTS), ({Fault.CYCLES}, 0)])
def test_cycles_wait_for_the_collector(upstream: Any, without: frozenset[Fault], cycles: int) -> None:
    """What each request drops stays until the cyclic collector runs, and not longer."""
    gc.collect()
    gc.disable()
    try:
        run_requests(upstream, without)
        assert _links() == cycles
        gc.collect()
        assert _links() == 0
    finally:
        gc.enable()


def _links() -> int:
    return sum(type(thing) is Link for thing in gc.get_objects())


def test_an_exception_becomes_an_answer() -> None:
    """Nobody listens, and yet there is an answer: the incident's fault 5."""

    async def scenario() -> Any:
        gateway = LeakyGateway(Upstreams({"orders": Address("127.0.0.1", 1)}))
        try:
            return json.loads(await gateway.handle_request("orders", {}))
        finally:
            await gateway.aclose()

    result = asyncio.run(scenario())
    assert list(result) == ["error"]
    assert result["error"].startswith("Cannot connect to host orders:80")


def test_closing_ends_what_runs(upstream: Any) -> None:
    """At shutdown no task runs on and no session stays open."""

    async def scenario() -> None:
        async with upstream(answer) as services:
            gateway = LeakyGateway(services, process_s=3600)
            await gateway.handle_request("orders", {})
            await gateway.aclose()
            assert all(task.done() for task in gateway.background_tasks)
            assert all(session.closed for session in gateway.http_sessions.values())

    asyncio.run(scenario())


def test_parse_faults() -> None:
    """The option lists faults; none is the default."""
    assert parse_faults("") == frozenset()
    assert parse_faults("tasks, cycles") == {Fault.TASKS, Fault.CYCLES}


def test_parse_faults_names_the_valid_ones() -> None:
    """An unknown fault is answered with those there are."""
    with pytest.raises(
        ValueError, match=r"^--without: no fault 'task'; there are tasks, sessions, cache, history, cycles$"
    ):
        parse_faults("cache,task")
