import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from gateway.interface import Stats
from gateway.upstreams import Address, Upstreams
from gateway.variants.published_fix import HISTORY_RECORDS, PublishedFixGateway

IDLE_TASKS = 1
"""The periodic clean-up."""


def serve(
    upstream: Any, scenario: Callable[[PublishedFixGateway, list[str]], Awaitable[None]], **options: Any
) -> None:
    """Play a scenario on a gateway in front of a service that numbers its answers; it gets the list of the asked."""

    async def run() -> None:
        asked: list[str] = []

        async def answer(request: web.Request) -> web.StreamResponse:
            asked.append(request.headers["Host"])
            return web.json_response({"n": len(asked), "asked": await request.json()})

        async with upstream(answer) as services:
            gateway = PublishedFixGateway(services, **{"process_s": 0, **options})
            try:
                await scenario(gateway, asked)
            finally:
                await gateway.aclose()

    asyncio.run(run())


def test_an_answer_is_asked_for_once(upstream: Any) -> None:
    """The same request to the same name is answered from the cache; another name or data is asked for."""

    async def scenario(gateway: PublishedFixGateway, asked: list[str]) -> None:
        first = await gateway.handle_request("orders-1", {"id": 1})
        assert json.loads(first) == {"n": 1, "asked": {"id": 1}}
        assert await gateway.handle_request("orders-1", {"id": 1}) == first
        assert await gateway.handle_request("orders-2", {"id": 1}) != first
        assert await gateway.handle_request("orders-1", {"id": 2}) != first
        assert asked == ["orders-1", "orders-2", "orders-1"]

    serve(upstream, scenario)


def test_sessions_alone_grow(upstream: Any) -> None:
    """Tasks leave when they are done; a session stays for every name."""

    async def scenario(gateway: PublishedFixGateway, _asked: list[str]) -> None:
        for number in range(12):
            await gateway.handle_request(f"orders-{number}", {"id": number})
        await asyncio.gather(
            *(task for task in asyncio.all_tasks() if task.get_name().startswith("process_"))
        )
        await asyncio.sleep(0)
        assert gateway.stats() == Stats(IDLE_TASKS, sessions=12, cache_entries=12, history_entries=12)

    serve(upstream, scenario)


def test_history_is_cut_to_the_newest(upstream: Any) -> None:
    """With 5,000 records the oldest goes for a new one, which says service, time and outcome."""

    async def scenario(gateway: PublishedFixGateway, _asked: list[str]) -> None:
        gateway.request_history = [{"service": f"old-{n}"} for n in range(HISTORY_RECORDS)]
        await gateway.handle_request("orders", {})
        assert gateway.stats().history_entries == HISTORY_RECORDS == 5000
        assert gateway.request_history[0] == {"service": "old-1"}
        newest = gateway.request_history[-1]
        assert newest.pop("timestamp") > 0
        assert newest == {"service": "orders", "outcome": "success"}

    serve(upstream, scenario)


def test_equal_hashes_share_an_answer(upstream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As published: when the hashes of two requests collide, one gets the answer of the other."""
    monkeypatch.setattr("gateway.variants.published_fix.hash", lambda _: 7, raising=False)

    async def scenario(gateway: PublishedFixGateway, asked: list[str]) -> None:
        first = await gateway.handle_request("orders", {"mine": 1})
        assert await gateway.handle_request("orders", {"yours": 2}) == first
        assert asked == ["orders"]

    serve(upstream, scenario)


def test_each_request_is_printed(upstream: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """A line per request, for one from the cache too."""

    async def scenario(gateway: PublishedFixGateway, _asked: list[str]) -> None:
        await gateway.handle_request("orders-1", {})
        await gateway.handle_request("orders-1", {})

    serve(upstream, scenario)
    assert capsys.readouterr().out == "orders-1: asked\norders-1: answered from the cache\n"


def test_the_periodic_cleanup_prints_sizes(upstream: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Every 300 s there is a line with what the gateway holds."""
    ticks: asyncio.Queue[None] = asyncio.Queue()
    intervals: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        intervals.put_nowait(seconds)
        await ticks.get()

    async def scenario(gateway: PublishedFixGateway, _asked: list[str]) -> None:
        await gateway.handle_request("orders", {})
        capsys.readouterr()
        assert await intervals.get() == 300
        ticks.put_nowait(None)
        assert await intervals.get() == 300
        assert capsys.readouterr().out == "active tasks: 2, cache size: 1, history size: 1\n"

    serve(upstream, scenario, sleep=sleep, process_s=3600)


def test_an_exception_becomes_an_answer() -> None:
    """Nobody listens, and yet there is an answer; history alone knows better, and nothing is cached."""

    async def scenario() -> None:
        gateway = PublishedFixGateway(Upstreams({"orders": Address("127.0.0.1", 1)}))
        result = json.loads(await gateway.handle_request("orders", {}))
        assert list(result) == ["error"]
        assert result["error"].startswith("Cannot connect to host orders:80")
        assert [record["outcome"] for record in gateway.request_history] == ["error"]
        assert gateway.stats() == Stats(IDLE_TASKS, sessions=1, cache_entries=0, history_entries=1)
        await gateway.aclose()

    asyncio.run(scenario())


def test_closing_ends_tasks_then_sessions_then_cache(upstream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shutdown is in the published order and leaves nothing; calling it again does no harm."""

    async def scenario(gateway: PublishedFixGateway, _asked: list[str]) -> None:
        await gateway.handle_request("orders", {})
        (session,) = gateway.http_sessions.values()
        seen: list[tuple[int, bool, int]] = []

        def look() -> None:
            tasks, entries = gateway.task_manager.get_active_task_count(), gateway.response_cache.get_size()
            seen.append((tasks, session.closed, entries))

        shutdown, clear = gateway.task_manager.shutdown, gateway.response_cache.clear

        async def watched_shutdown() -> None:
            look()
            await shutdown()
            look()

        def watched_clear() -> None:
            look()
            clear()
            look()

        monkeypatch.setattr(gateway.task_manager, "shutdown", watched_shutdown)
        monkeypatch.setattr(gateway.response_cache, "clear", watched_clear)
        await gateway.aclose()
        assert seen == [(2, False, 1), (0, False, 1), (0, True, 1), (0, True, 0)]
        await gateway.aclose()
        left = {
            task for task in asyncio.all_tasks() if "RequestHandler" not in repr(task)
        }  # those are the upstream's
        assert left == {asyncio.current_task()}

    serve(upstream, scenario, process_s=3600)
