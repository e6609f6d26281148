"""The gateway after, as it was published: bounded where its authors bounded it, and nowhere else.

It is there to be measured. What it does at a cost or a risk is kept on purpose: a cache that scans all its entries
for each new one, keys that can collide, a session for every name, a print per request, errors with status 200.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp

from gateway.interface import Stats
from gateway.upstreams import Upstreams
from gateway.variants.aiohttp_client import ask, open_session
from gateway.variants.published_cache import LRUCache
from gateway.variants.published_tasks import TaskManager

PUBLISHED_PROCESS_S: Final = 0.1
PUBLISHED_CACHE_ENTRIES: Final = 5000
CACHE_TTL_S: Final = 1800.0
HISTORY_RECORDS: Final = 5000
CLEANUP_EVERY_S: Final = 300.0


class PublishedFixGateway:
    """The incident's gateway after its fix, with its attribute names. Make it inside a running event loop."""

    def __init__(
        self,
        upstreams: Upstreams,
        *,
        process_s: float = PUBLISHED_PROCESS_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._upstreams = upstreams
        self._process_s = process_s
        self._sleep = sleep
        self.task_manager = TaskManager()
        self.http_sessions: dict[str, aiohttp.ClientSession] = {}
        self.response_cache = LRUCache(PUBLISHED_CACHE_ENTRIES, CACHE_TTL_S)
        self.request_history: list[dict[str, Any]] = []
        self.task_manager.create_task(self._periodic_cleanup(), name="periodic_cleanup")

    async def handle_request(self, service_name: str, request_data: dict[str, Any]) -> bytes:
        """Return the answer, cached or new, or ``{"error": ...}`` as if it were one; raises nothing."""
        key = f"{service_name}_{hash(str(request_data))}"
        if (result := self.response_cache.get(key)) is not None:
            print(f"{service_name}: answered from the cache")
            return json.dumps(result).encode()
        try:
            result = await ask(self._session(service_name), service_name, request_data)
            self.task_manager.create_task(self.process_async(request_data), name=f"process_{service_name}")
            self.response_cache.put(key, result)
            self._remember(service_name, "success")
        except Exception as error:  # noqa: BLE001  the incident's fault 5, which its fix does not mention
            result = {"error": str(error)}
            self._remember(service_name, "error")
        print(f"{service_name}: asked")
        return json.dumps(result).encode()

    async def process_async(self, request_data: dict[str, Any]) -> None:
        """Simulate work that is done after the answer."""
        del request_data
        await asyncio.sleep(self._process_s)

    def stats(self) -> Stats:
        """Return the sizes; other threads may call it at any time. The periodic clean-up is a task too."""
        return Stats(
            background_tasks=self.task_manager.get_active_task_count(),
            sessions=len(self.http_sessions),
            cache_entries=self.response_cache.get_size(),
            history_entries=len(self.request_history),
        )

    async def aclose(self) -> None:
        """End the tasks, then the sessions, then the cache; safe to call again."""
        await self.task_manager.shutdown()
        for session in self.http_sessions.values():
            await session.close()
        self.http_sessions.clear()
        self.response_cache.clear()
        sys.stdout.flush()  # uvicorn ends the process with the signal it got, which flushes nothing

    def _session(self, service_name: str) -> aiohttp.ClientSession:
        if service_name not in self.http_sessions:
            self.http_sessions[service_name] = open_session(self._upstreams)
        return self.http_sessions[service_name]

    def _remember(self, service_name: str, outcome: str) -> None:
        self.request_history.append({"service": service_name, "timestamp": time.time(), "outcome": outcome})
        if len(self.request_history) > HISTORY_RECORDS:
            self.request_history = self.request_history[-HISTORY_RECORDS:]

    async def _periodic_cleanup(self) -> None:
        while True:
            await self._sleep(CLEANUP_EVERY_S)
            stats = self.stats()
            print(
                f"active tasks: {stats.background_tasks}, cache size: {stats.cache_entries}, "
                f"history size: {stats.history_entries}"
            )
