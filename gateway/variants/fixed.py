"""The gateway after: everything it holds has a bound and an owner that ends it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import aiohttp
from cachetools import Cache, TTLCache
from pydantic_core import from_json

from gateway.failures import FailureLog, InvalidBodyError, UpstreamFailedError, UpstreamTimeoutError
from gateway.interface import Stats
from gateway.upstreams import UpstreamResolver, Upstreams
from gateway.variants.bounded_tasks import BoundedTaskManager
from gateway.variants.deadlines import Deadlines
from gateway.watchdog import MemoryWatchdog

PROCESS_S: Final = 0.1

# json.dumps would make an encoder for every call
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, slots=True)
class Limits:
    """Every bound of the gateway."""

    max_work: int = 1000
    """Requests in flight and background tasks together; one more is refused with 503."""
    connections_per_service: int = 100
    upstream_timeout_s: float = 3.0
    """From the request for a connection to the last byte of the answer; below the 5 s a client waits."""
    answer_bytes: int = 1024 * 1024
    """A longer answer of a service counts as a failure."""
    cached_answer_bytes: int = 16 * 1024
    """A longer answer is passed on but not cached, so that a full cache stays below 80 MB."""
    cache_entries: int = 5000
    cache_ttl_s: float = 1800.0
    history_records: int = 5000
    sweep_every_s: float = 60.0
    warn_memory_bytes: int = 300_000_000
    """Resident memory above this is logged; the published fix is claimed to stay below it."""
    warn_growth_bytes_per_s: int = 100_000
    """Growth above this is logged: about half of what the incident's gateway gained in its first hour."""
    shutdown_timeout_s: float = 1.0


class HistoryRecord(NamedTuple):
    """One handled request: which instance, when (seconds since the epoch), and what it ended with."""

    service: str
    time_s: float
    error: str | None


class FixedGateway:
    """The gateway without the incident's faults. Make it inside a running event loop."""

    def __init__(
        self,
        upstreams: Upstreams,
        limits: Limits = Limits(),
        *,
        process_s: float = PROCESS_S,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._upstreams = upstreams
        self._limits = limits
        self._process_s = process_s
        self._sleep = sleep
        self._tasks = BoundedTaskManager(limits.max_work, on_error=FailureLog().record)
        self._cache: TTLCache[bytes, bytes] = TTLCache(limits.cache_entries, limits.cache_ttl_s, timer=clock)
        self._history: deque[HistoryRecord] = deque(maxlen=limits.history_records)
        self._session = _open_session(upstreams, limits)
        self._deadlines = Deadlines(limits.upstream_timeout_s)
        watchdog = MemoryWatchdog(limits.warn_memory_bytes, limits.warn_growth_bytes_per_s)
        self._chores = (
            asyncio.create_task(self._sweep(), name="sweep"),
            asyncio.create_task(watchdog.run(), name="watchdog"),
        )

    async def handle_request(self, service_name: str, request_data: dict[str, Any]) -> bytes:
        """Return the service's answer, as it was sent or from the cache.

        Raises InvalidBodyError, OverloadedError, UpstreamFailedError or UpstreamTimeoutError.
        """
        error: str | None = None
        try:
            return await self._answer(service_name, request_data)
        except BaseException as failure:
            error = type(failure).__name__
            raise
        finally:
            self._history.append(HistoryRecord(service_name, time.time(), error))

    async def process_async(self, request_data: dict[str, Any]) -> None:
        """Simulate work that is done after the answer."""
        del request_data
        await asyncio.sleep(self._process_s)

    def stats(self) -> Stats:
        """Return the sizes; other threads may call it at any time."""
        return Stats(
            background_tasks=len(self._tasks),
            sessions=0 if self._session.closed else 1,
            # len(TTLCache) expires entries first, which only the event loop's thread may do
            cache_entries=Cache.__len__(self._cache),
            history_entries=len(self._history),
        )

    async def aclose(self) -> None:
        """End the tasks, then the session; safe to call again."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, return_exceptions=True)
        await self._tasks.shutdown(self._limits.shutdown_timeout_s)
        await self._session.close()
        self._cache.clear()

    async def _answer(self, service_name: str, request_data: dict[str, Any]) -> bytes:
        service = self._upstreams.service_of(service_name)
        body = canonical_json(request_data)
        key = cache_key(service, body)
        if (cached := self._cache.get(key)) is not None:
            return cached
        with self._tasks.in_flight():
            answer = await self._fetch(service, service_name, body)
            self._tasks.create_task(self.process_async(request_data), name="process")
        if len(answer) <= self._limits.cached_answer_bytes:
            self._cache[key] = answer
        return answer

    async def _fetch(self, service: str, service_name: str, body: bytes) -> bytes:
        # The connection belongs to the service and the Host header names the instance, so that
        # instances that come and go leave no idle connections behind.
        headers = {
            "Host": service_name,
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",  # what is not compressed is bounded as it comes
        }
        deadline = self._deadlines.begin()
        try:
            async with (
                deadline,
                self._session.get(
                    f"http://{service}/api", data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                if response.status != 200:
                    raise UpstreamFailedError(f"{service} answered with status {response.status}")
                answer = await read_at_most(response.content, self._limits.answer_bytes)
        except TimeoutError:
            raise UpstreamTimeoutError(
                f"{service} did not answer within {self._limits.upstream_timeout_s:g} s"
            ) from None
        except aiohttp.ClientError as error:
            raise UpstreamFailedError(f"{service} could not be asked: {error}") from error
        finally:
            self._deadlines.end(deadline)
        try:
            from_json(answer, allow_inf_nan=False, cache_strings="none")
        except ValueError as error:
            raise UpstreamFailedError(f"{service} did not answer with JSON: {error}") from None
        return answer

    async def _sweep(self) -> None:
        while True:
            await self._sleep(self._limits.sweep_every_s)
            self._tasks.sweep()
            self._cache.expire()


def canonical_json(request_data: dict[str, Any]) -> bytes:
    """Return the same text for equal data, whatever the order of its keys.

    Raises InvalidBodyError for a number such as 1e999, which JSON can write and Python takes for infinity.
    """
    try:
        return _CANONICAL.encode(request_data).encode()
    except ValueError as error:
        raise InvalidBodyError(f"the request cannot be passed on as JSON: {error}") from None


def cache_key(service: str, body: bytes) -> bytes:
    """Return a 16-byte digest of a service and the canonical JSON it is asked with.

    Instances of a service are interchangeable, so its answers are shared between them; keyed by instance they
    would be kept for names that never come back.
    """
    return hashlib.blake2b(service.encode() + body, digest_size=16).digest()


async def read_at_most(content: aiohttp.StreamReader, limit_bytes: int) -> bytes:
    """Return the whole content; raises UpstreamFailedError as soon as it is longer than the limit."""
    answer = await content.readany()
    if content.at_eof() and len(answer) <= limit_bytes:
        return answer  # most answers come in one piece
    pieces = bytearray(answer)
    while len(pieces) <= limit_bytes:
        if content.at_eof():
            return bytes(pieces)
        pieces += await content.readany()
    raise UpstreamFailedError(f"the answer is longer than {limit_bytes} bytes")


def _open_session(upstreams: Upstreams, limits: Limits) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(
        resolver=UpstreamResolver(upstreams),
        use_dns_cache=False,
        # per service and not in total: one that hangs must not take the connections of the others
        limit=0,
        limit_per_host=limits.connections_per_service,
    )
    return aiohttp.ClientSession(
        connector=connector,
        # a request has one deadline, which is set where it is sent
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
        # the default jar keeps what services set, for every client alike
        cookie_jar=aiohttp.DummyCookieJar(),
    )
