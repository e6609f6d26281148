import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from aiohttp import web

from gateway.failures import (
    InvalidBodyError,
    OverloadedError,
    RequestFailedError,
    UpstreamFailedError,
    UpstreamTimeoutError,
)
from gateway.interface import Stats
from gateway.upstreams import Address, Upstreams
from gateway.variants.fixed import FixedGateway, Limits, cache_key, canonical_json

LIMITS = Limits(upstream_timeout_s=5, shutdown_timeout_s=0.05)


@dataclass
class Service:
    """An upstream that numbers its answers and remembers what it was asked."""

    reply: Callable[[int], web.Response] = field(default=lambda n: web.json_response({"n": n}))
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.headers["Host"], await request.read()))
        return self.reply(len(self.asked))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def running(
    services: Upstreams, limits: Limits = LIMITS, **options: Any
) -> AsyncIterator[FixedGateway]:
    """Yield a gateway whose background work takes no time; it is closed at the end."""
    gateway = FixedGateway(services, limits, process_s=0, **options)
    try:
        yield gateway
    finally:
        await gateway.aclose()


def serve(
    upstream: Any,
    service: Callable[[web.Request], Awaitable[web.StreamResponse]],
    scenario: Callable[[FixedGateway], Awaitable[None]],
    limits: Limits = LIMITS,
    **options: Any,
) -> None:
    """Play a scenario on a gateway in front of this service."""

    async def run() -> None:
        async with upstream(service) as services, running(services, limits, **options) as gateway:
            await scenario(gateway)

    asyncio.run(run())


def test_asks_the_instance_and_returns_its_bytes(upstream: Any) -> None:
    """The request goes to the instance by name, with the data as JSON; the answer comes back as it was sent."""
    service = Service(lambda _: web.Response(body=b'{"a": 1.50 }', content_type="application/json"))

    async def scenario(gateway: FixedGateway) -> None:
        assert await gateway.handle_request("orders-017", {"b": 2, "a": "ü"}) == b'{"a": 1.50 }'
        assert service.asked == [("orders-017", b'{"a":"\\u00fc","b":2}')]

    serve(upstream, service.answer, scenario)


def test_equal_requests_are_answered_from_the_cache(upstream: Any) -> None:
    """The order of keys and the instance make no other request; the data and the service do."""
    service = Service()

    async def scenario(gateway: FixedGateway) -> None:
        first = await gateway.handle_request("orders-1", {"a": 1, "b": 2})
        assert await gateway.handle_request("orders-2", {"b": 2, "a": 1}) == first
        assert await gateway.handle_request("orders-1", {"a": 1, "b": "2"}) != first
        assert await gateway.handle_request("users-1", {"a": 1, "b": 2}) != first
        assert len(service.asked) == 3

    serve(upstream, service.answer, scenario)


def test_the_cache_forgets_in_time(upstream: Any) -> None:
    """An answer is given again until its time to live is over, and asked for anew after that."""
    clock, service = Clock(), Service()

    async def scenario(gateway: FixedGateway) -> None:
        first = await gateway.handle_request("orders", {})
        clock.now = LIMITS.cache_ttl_s - 1
        assert await gateway.handle_request("orders", {}) == first
        clock.now = LIMITS.cache_ttl_s
        assert await gateway.handle_request("orders", {}) != first

    serve(upstream, service.answer, scenario, clock=clock)


def test_cache_and_history_are_bounded(upstream: Any) -> None:
    """Beyond the bound the least recently used answer and the oldest record go."""
    service = Service()

    async def scenario(gateway: FixedGateway) -> None:
        for n in (1, 2, 3, 1, 4):
            await gateway.handle_request("orders", {"n": n})
        assert len(service.asked) == 4
        stats = gateway.stats()
        assert (stats.cache_entries, stats.history_entries) == (3, 3)
        await gateway.handle_request("orders", {"n": 1})
        assert len(service.asked) == 4, "1 was used more recently than 2"
        await gateway.handle_request("orders", {"n": 2})
        assert len(service.asked) == 5

    serve(upstream, service.answer, scenario, replace(LIMITS, cache_entries=3, history_records=3))


def test_a_long_answer_is_not_cached(upstream: Any) -> None:
    """An answer above the cached size is passed on, and asked for again."""
    service = Service(lambda _: web.json_response("x" * 50))

    async def scenario(gateway: FixedGateway) -> None:
        for _ in range(2):
            assert len(await gateway.handle_request("orders", {})) == 52
        assert len(service.asked) == 2
        assert gateway.stats().cache_entries == 0

    serve(upstream, service.answer, scenario, replace(LIMITS, cached_answer_bytes=51))


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (web.json_response({}, status=500), "orders answered with status 500"),
        (web.Response(status=302, headers={"Location": "/api"}), "orders answered with status 302"),
        (web.Response(body=b"<html>"), "orders did not answer with JSON: expected value at line 1 column 1"),
        (web.json_response("x" * 99), "the answer is longer than 100 bytes"),
    ],
)
def test_an_unusable_answer_is_a_failure(upstream: Any, reply: web.Response, message: str) -> None:
    """An error status, a redirect, an answer that is not JSON and one that is too long are not passed on."""
    service = Service(lambda _: reply)

    async def scenario(gateway: FixedGateway) -> None:
        with pytest.raises(UpstreamFailedError) as error:
            await gateway.handle_request("orders", {})
        assert str(error.value) == message
        assert len(service.asked) == 1
        assert gateway.stats() == Stats(0, sessions=1, cache_entries=0, history_entries=1)

    serve(upstream, service.answer, scenario, replace(LIMITS, answer_bytes=100))


def test_nobody_listens() -> None:
    """A refused connection is a failure of the service."""

    async def scenario() -> None:
        async with running(Upstreams({"orders": Address("127.0.0.1", 1)})) as gateway:
            with pytest.raises(UpstreamFailedError, match=r"^orders could not be asked: Cannot connect"):
                await gateway.handle_request("orders", {})

    asyncio.run(scenario())


def test_a_service_that_hangs_times_out(upstream: Any) -> None:
    """A service that does not answer costs its time limit, and leaves no work behind."""

    async def hang(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    async def scenario(gateway: FixedGateway) -> None:
        with pytest.raises(UpstreamTimeoutError, match=r"^orders did not answer within 0\.02 s$"):
            await gateway.handle_request("orders", {})
        assert gateway.stats() == Stats(0, sessions=1, cache_entries=0, history_entries=1)

    serve(upstream, hang, scenario, replace(LIMITS, upstream_timeout_s=0.02))


def test_work_beyond_the_bound_is_refused(upstream: Any) -> None:
    """With one place, a second request is refused while the first is in flight; a cached answer is not."""
    arrived, release = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.StreamResponse:
        if await request.json():
            arrived.set()
            await release.wait()
        return web.json_response({})

    async def scenario(gateway: FixedGateway) -> None:
        await gateway.handle_request("orders", {})
        await gateway._tasks.shutdown(1)
        first = asyncio.create_task(gateway.handle_request("orders", {"slow": True}))
        await arrived.wait()
        with pytest.raises(OverloadedError):
            await gateway.handle_request("orders", {"another": 1})
        assert await gateway.handle_request("orders", {}) == b"{}"
        release.set()
        assert await first == b"{}"

    serve(upstream, slow, scenario, replace(LIMITS, max_work=1))


def test_instances_that_come_and_go_leave_nothing(upstream: Any) -> None:
    """300 instance names, most waiting for a connection: one session, and no state of aiohttp grows with them."""
    service = Service(lambda n: web.json_response({}, headers={"Set-Cookie": f"name{n}=1"}))

    async def scenario(gateway: FixedGateway) -> None:
        for start in range(0, 300, 30):
            await asyncio.gather(
                *(gateway.handle_request(f"orders-{n}", {"n": n}) for n in range(start, start + 30))
            )
        assert len({host for host, _ in service.asked}) == 300
        assert gateway.stats().sessions == 1
        connector: Any = gateway._session.connector
        assert len(connector._conns) == 1
        assert sum(map(len, connector._conns.values())) <= 4
        per_name = (
            "_acquired",
            "_acquired_per_host",
            "_waiters",
            "_throttle_dns_futures",
            "_resolve_host_tasks",
        )
        assert {name: len(getattr(connector, name)) for name in per_name} == dict.fromkeys(per_name, 0)
        assert len(connector._cached_hosts._addrs_rr) == 0
        assert len(gateway._session.cookie_jar) == 0

    serve(upstream, service.answer, scenario, replace(LIMITS, connections_per_service=4))


def test_the_sweep_empties_an_idle_cache(upstream: Any) -> None:
    """Without any request, expired answers are given back at the next sweep and not before."""
    clock = Clock()
    ticks: asyncio.Queue[None] = asyncio.Queue()
    intervals: asyncio.Queue[float] = asyncio.Queue()

    async def sleep(seconds: float) -> None:
        intervals.put_nowait(seconds)
        await ticks.get()

    async def scenario(gateway: FixedGateway) -> None:
        await gateway.handle_request("orders", {})
        clock.now = LIMITS.cache_ttl_s
        assert await intervals.get() == 60
        assert gateway.stats().cache_entries == 1
        ticks.put_nowait(None)
        assert await intervals.get() == 60
        assert gateway.stats().cache_entries == 0

    serve(upstream, Service().answer, scenario, clock=clock, sleep=sleep)


def test_sizes_can_be_read_from_another_thread(upstream: Any) -> None:
    """Reading the sizes never expires an entry: a probe's thread must not change the cache."""
    clock = Clock()

    async def scenario(gateway: FixedGateway) -> None:
        await gateway.handle_request("orders", {})
        clock.now = 2 * LIMITS.cache_ttl_s
        seen: list[int] = []
        reader = threading.Thread(target=lambda: seen.append(gateway.stats().cache_entries))
        reader.start()
        reader.join()
        assert seen == [1]
        assert gateway.stats().cache_entries == 1

    serve(upstream, Service().answer, scenario, clock=clock)


def test_closing_ends_everything(upstream: Any) -> None:
    """After aclose there is no task, session or cache entry; calling it again does no harm."""
    names = {"sweep", "watchdog", "process"}

    async def scenario() -> None:
        async with upstream(Service().answer) as services:
            gateway = FixedGateway(services, LIMITS, process_s=3600)
            await gateway.handle_request("orders", {})
            assert gateway.stats().background_tasks == 1
            assert names.issubset(task.get_name() for task in asyncio.all_tasks())
            for _ in range(2):
                await gateway.aclose()
            assert gateway.stats() == Stats(0, sessions=0, cache_entries=0, history_entries=1)
            assert names.isdisjoint(task.get_name() for task in asyncio.all_tasks())

    asyncio.run(scenario())


def test_its_memory_is_watched(upstream: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A gateway above its memory level says so in its log as soon as it runs."""

    async def scenario(_gateway: FixedGateway) -> None:
        await asyncio.sleep(0)

    serve(upstream, Service().answer, scenario, replace(LIMITS, warn_memory_bytes=1))
    (message,) = caplog.messages
    assert message.startswith("memory above the threshold: ")
    assert message.endswith(", more than 0 MB")


def test_history_says_how_a_request_ended(upstream: Any) -> None:
    """A record names the instance and, for a failed request, the kind of failure; never the data."""
    replies = [web.json_response({}), web.json_response({}, status=500)]

    async def scenario(gateway: FixedGateway) -> None:
        await gateway.handle_request("orders-1", {"secret": 1})
        with pytest.raises(RequestFailedError):
            await gateway.handle_request("orders-2", {"secret": 2})
        assert [(record.service, record.error) for record in gateway._history] == [
            ("orders-1", None),
            ("orders-2", "UpstreamFailedError"),
        ]

    serve(upstream, Service(lambda n: replies[n - 1]).answer, scenario)


def test_infinity_is_refused() -> None:
    """A number too large for a float is not sent on as the invalid JSON that Python makes of it."""
    with pytest.raises(InvalidBodyError):
        canonical_json({"a": float("inf")})


def test_cache_keys_are_apart() -> None:
    """Neither moving text between service and data nor other data gives the same key."""
    keys = {cache_key("a", b'{"b":1}'), cache_key("a", b'{"b":2}'), cache_key("ab", b'{"b":1}')}
    assert [len(key) for key in keys] == [16, 16, 16]
