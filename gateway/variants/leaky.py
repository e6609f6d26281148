"""The gateway before: the incident's faults, each of which can be left out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection
from enum import StrEnum
from typing import Any, Final

import aiohttp

from gateway.interface import Stats
from gateway.upstreams import Upstreams
from gateway.variants.aiohttp_client import ask, open_session

LEAKY_PROCESS_S: Final = 1.0


class Fault(StrEnum):
    """What the incident's gateway does wrong."""

    TASKS = "tasks"
    SESSIONS = "sessions"
    CACHE = "cache"
    HISTORY = "history"
    CYCLES = "cycles"


class Link:
    """Half of a circle: two of them refer to each other."""

    def __init__(self) -> None:
        self.other: Link | None = None


def parse_faults(text: str) -> frozenset[Fault]:
    """Read ``tasks,cache``; raises ValueError that names an unknown fault and the valid ones."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in frozenset(Fault):
            raise ValueError(f"--without: no fault {name!r}; there are {', '.join(Fault)}")
    return frozenset(map(Fault, names))


def drop_a_cycle() -> None:
    """Make two objects that only the cyclic collector can free, and let them go."""
    one, other = Link(), Link()
    one.other, other.other = other, one


class LeakyGateway:
    """The incident's gateway, with its attribute names; a part whose fault is left out is done properly.

    Make it inside a running event loop.
    """

    def __init__(
        self, upstreams: Upstreams, without: Collection[Fault] = (), *, process_s: float = LEAKY_PROCESS_S
    ) -> None:
        self._upstreams = upstreams
        self._faults = frozenset(Fault).difference(without)
        self._process_s = process_s
        self.http_sessions: dict[str, aiohttp.ClientSession] = {}
        self.response_cache: dict[str, Any] = {}
        self.request_history: list[dict[str, Any]] = []
        self.background_tasks: set[asyncio.Task[None]] = set()

    async def handle_request(self, service_name: str, request_data: dict[str, Any]) -> bytes:
        """Return the answer, or ``{"error": ...}`` as if it were one; raises nothing."""
        try:
            result = await ask(self._session(service_name), service_name, request_data)
            self._start_processing(request_data)
            if Fault.CACHE in self._faults:
                self.response_cache[f"{service_name}_{hash(str(request_data))}"] = result
            if Fault.HISTORY in self._faults:
                self._remember(service_name, request_data, result)
            if Fault.CYCLES in self._faults:
                drop_a_cycle()
        except Exception as error:  # noqa: BLE001  the incident's fault 5: whatever goes wrong is an answer
            result = {"error": str(error)}
        return json.dumps(result).encode()

    async def process_async(self, request_data: dict[str, Any]) -> None:
        """Simulate work that is done after the answer."""
        del request_data
        await asyncio.sleep(self._process_s)

    def stats(self) -> Stats:
        """Return the sizes; other threads may call it at any time."""
        return Stats(
            background_tasks=len(self.background_tasks),
            sessions=len(self.http_sessions),
            cache_entries=len(self.response_cache),
            history_entries=len(self.request_history),
        )

    async def aclose(self) -> None:
        """Cancel what runs and close the sessions: the process ends, and should end without complaints."""
        for task in self.background_tasks:
            task.cancel()
        await asyncio.gather(*self.background_tasks, return_exceptions=True)
        for session in self.http_sessions.values():
            await session.close()

    def _session(self, service_name: str) -> aiohttp.ClientSession:
        key = service_name if Fault.SESSIONS in self._faults else "shared"
        if key not in self.http_sessions:
            self.http_sessions[key] = open_session(self._upstreams)
        return self.http_sessions[key]

    def _start_processing(self, request_data: dict[str, Any]) -> None:
        task = asyncio.create_task(self.process_async(request_data))
        self.background_tasks.add(task)
        if Fault.TASKS not in self._faults:
            task.add_done_callback(self.background_tasks.discard)

    def _remember(self, service_name: str, request_data: dict[str, Any], result: Any) -> None:
        self.request_history.append(
            {"timestamp": time.time(), "service": service_name, "data": request_data, "result": result}
        )
