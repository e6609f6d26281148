"""The table of kinds, and what a program around them keeps."""

from __future__ import annotations

import asyncio
import contextvars
import sys
from collections.abc import Callable, Coroutine
from typing import Any

Kind = Callable[[], Coroutine[Any, Any, None]]
COPIES = 25
"""Times each kind is set up: more than are at hand in a registry."""

LEGITIMATE: dict[str, Kind] = {}
"""Kinds none of whose tasks is stuck."""
LOST: dict[str, tuple[Kind, int]] = {}
"""Kinds all of whose tasks are stuck, with the number of tasks of each."""
registry: set[asyncio.Task[Any]] = set()
"""Keeps every task from the collector, as a service's set of background tasks does."""
app: list[Any] = []
"""What the program keeps of its own."""
closers: list[Callable[[], object]] = []
"""What ends threads and processes afterwards."""
KIND: contextvars.ContextVar[str] = contextvars.ContextVar("kind", default="")


def legitimate(since: tuple[int, int] = (3, 9)) -> Callable[[Kind], Kind]:
    """Add a kind of legitimate wait, on Pythons from ``since`` on."""

    def add(kind: Kind) -> Kind:
        if sys.version_info >= since:
            LEGITIMATE[kind.__name__] = kind
        return kind

    return add


def lost(tasks: int = 1, since: tuple[int, int] = (3, 9)) -> Callable[[Kind], Kind]:
    """Add a kind all of whose ``tasks`` are stuck."""

    def add(kind: Kind) -> Kind:
        if sys.version_info >= since:
            LOST[kind.__name__] = (kind, tasks)
        return kind

    return add


def spawn(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a task that the registry keeps."""
    task = asyncio.get_running_loop().create_task(coroutine)
    registry.add(task)
    return task


async def never() -> None:
    """Wait for what nobody else has."""
    await asyncio.get_running_loop().create_future()


def later(call: Callable[..., object], *arguments: Any) -> None:
    """Have the event loop call this in an hour."""
    asyncio.get_running_loop().call_later(3600, call, *arguments)
