"""Waits that nothing can end but a cancel: what they wait for is nobody's but their own."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import types
import weakref
from collections.abc import AsyncIterator
from typing import Any

from tests.support.waits.kinds import app, lost, never, spawn


@lost()
async def lost_event() -> None:
    spawn(asyncio.Event().wait())


@lost()
async def lost_future() -> None:
    spawn(never())


@lost()
async def lost_with_a_weak_proxy_of_its_own() -> None:
    async def waits() -> None:
        event = asyncio.Event()
        connection = types.SimpleNamespace(event=event, weak=weakref.proxy(event))
        await connection.event.wait()

    spawn(waits())


@lost()
async def lost_queue() -> None:
    async def waits() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        await queue.get()

    spawn(waits())


@lost()
async def lock_taken_twice() -> None:
    async def waits() -> None:
        lock = asyncio.Lock()
        async with lock, lock:
            pass

    spawn(waits())


@lost(2)
async def lock_that_a_lost_task_holds() -> None:
    lock = asyncio.Lock()

    async def waits() -> None:
        async with lock:
            await never()

    spawn(waits())
    spawn(waits())


@lost(2)
async def two_that_wait_for_each_other() -> None:
    first, second = asyncio.Event(), asyncio.Event()

    async def waits(one: asyncio.Event, other: asyncio.Event) -> None:
        await one.wait()
        other.set()

    spawn(waits(first, second))
    spawn(waits(second, first))


@lost(2)
async def parent_of_a_lost_child() -> None:
    async def waits() -> None:
        await asyncio.get_running_loop().create_task(never())

    spawn(waits())


@lost(2)
async def gathered_with_one_that_is_done() -> None:
    async def waits() -> None:
        await asyncio.gather(asyncio.sleep(0), never())

    spawn(waits())


@lost(3, (3, 11))
async def group_of_lost_children() -> None:
    async def waits() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(never())
            group.create_task(never())

    spawn(waits())


@lost(2)
async def shielded_and_lost() -> None:
    async def waits() -> None:
        await asyncio.shield(asyncio.get_running_loop().create_task(never()))

    spawn(waits())


@lost(2)
async def wait_without_a_timeout() -> None:
    spawn(asyncio.wait([spawn(never())]))


@lost()
async def lost_in_a_generator() -> None:
    async def counts() -> AsyncIterator[int]:
        await never()
        yield 1

    async def iterates() -> None:
        async for _ in counts():
            pass

    spawn(iterates())


@lost()
async def lost_in_a_context_manager() -> None:
    @contextlib.asynccontextmanager
    async def manages() -> AsyncIterator[asyncio.Event]:
        yield asyncio.Event()

    async def waits() -> None:
        async with manages() as event:
            await event.wait()

    spawn(waits())


@lost()
async def lost_condition() -> None:
    async def waits() -> None:
        condition = asyncio.Condition()
        async with condition:
            await condition.wait()

    spawn(waits())


@lost()
async def lost_deep_inside() -> None:
    async def waits(depth: int) -> None:
        if depth:
            await waits(depth - 1)
        await never()

    spawn(waits(12))


@lost()
async def lost_in_its_own_context() -> None:
    events: contextvars.ContextVar[asyncio.Event] = contextvars.ContextVar("events")

    async def waits() -> None:
        events.set(asyncio.Event())
        await events.get().wait()

    spawn(waits())


piled: dict[int, asyncio.Task[Any]] = {}
kept = types.SimpleNamespace(sessions=[])


@lost()
async def task_in_a_dict_that_grows() -> None:
    piled[len(piled)] = spawn(never())


@lost()
async def task_below_an_object_with_a_name() -> None:
    kept.sessions.append(types.SimpleNamespace(task=spawn(never())))


@lost()
async def session_that_is_kept() -> None:
    class Session:
        def __init__(self) -> None:
            self.task = spawn(never())

    app.append(Session())


@lost()
async def task_that_is_known_weakly() -> None:
    known: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()
    known.add(spawn(never()))
    app.append(known)


@lost()
async def coroutine_that_is_kept() -> None:
    coroutine = never()
    app.append(coroutine)
    spawn(coroutine)
