"""Waits by anyio's task groups, cancel scopes and streams."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import anyio.abc

from tests.support.waits.kinds import app, later, legitimate, lost, never, spawn


@legitimate()
async def anyio_scope_with_a_timeout() -> None:
    async def waits() -> None:
        with anyio.move_on_after(3600):
            await never()

    spawn(waits())


@legitimate()
async def anyio_group_that_its_owner_ends() -> None:
    async def owns() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(never)
            await anyio.sleep(3600)
            group.cancel_scope.cancel()

    spawn(owns())


@legitimate()
async def anyio_group_with_a_timeout() -> None:
    async def owns() -> None:
        with anyio.move_on_after(3600):
            async with anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(never)

    spawn(owns())


@legitimate()
async def anyio_race() -> None:
    async def owns() -> None:
        async with anyio.create_task_group() as group:

            async def ends_the_other() -> None:
                await anyio.sleep(3600)
                group.cancel_scope.cancel()

            group.start_soon(ends_the_other)
            group.start_soon(never)

    spawn(owns())


@legitimate()
async def anyio_stream_with_a_sender() -> None:
    send, receive = anyio.create_memory_object_stream[int]()

    async def sends() -> None:
        await anyio.sleep(3600)
        await send.send(1)

    spawn(sends())
    spawn(receive.receive())


@legitimate()
async def anyio_event_of_a_timer() -> None:
    event = anyio.Event()
    later(event.set)
    spawn(event.wait())


@legitimate()
async def anyio_sleep_for_ever() -> None:
    spawn(anyio.sleep_forever())


@legitimate()
async def anyio_limiter_that_a_sleeper_holds() -> None:
    limiter = anyio.CapacityLimiter(1)

    async def holds() -> None:
        async with limiter:
            await anyio.sleep(3600)

    spawn(holds())
    spawn(holds())


@lost(2)
async def anyio_stream_without_a_sender() -> None:
    async def waits() -> None:
        _, receive = anyio.create_memory_object_stream[int]()
        async with anyio.create_task_group() as group:
            group.start_soon(receive.receive)

    spawn(waits())


@lost()
async def anyio_sessions_of_a_group_of_the_application() -> None:
    """Each request leaves a task in the group that lasts as long as the application, which waits for its end."""
    if not any(isinstance(one, anyio.abc.TaskGroup) for one in app):

        @asynccontextmanager
        async def lifespan() -> AsyncIterator[anyio.abc.TaskGroup]:
            async with anyio.create_task_group() as group:
                yield group

        end = asyncio.Event()
        later(end.set)
        ready = asyncio.Event()

        async def runs() -> None:
            async with lifespan() as group:
                app.append(group)
                ready.set()
                await end.wait()

        task = asyncio.get_running_loop().create_task(runs())
        app.append(task)
        await ready.wait()
    next(one for one in app if isinstance(one, anyio.abc.TaskGroup)).start_soon(never)
