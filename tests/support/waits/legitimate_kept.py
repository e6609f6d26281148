"""Waits for what the program keeps: by a name, a weak reference, a context, a generator."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import types
import weakref
from collections.abc import AsyncIterator, Generator
from typing import Any

from tests.support.waits.kinds import app, later, legitimate, never, spawn


class Manager:
    """Owns tasks, and cancels them one by one."""

    def __init__(self) -> None:
        self.server: asyncio.Task[Any] | None = None
        self.tasks: dict[int, asyncio.Task[Any]] = {}

    def drop(self, number: int) -> None:
        """End one of them."""
        self.tasks.pop(number).cancel()


manager = Manager()
servers: list[asyncio.Task[Any]] = []
sessions: dict[str, tuple[str, asyncio.Task[Any]]] = {}
FEW = 15
"""Fewer than in a registry in which they pile up."""


@legitimate()
async def task_of_an_object_with_a_name() -> None:
    if len(manager.tasks) < FEW:
        manager.tasks[len(manager.tasks)] = spawn(never())


@legitimate()
async def server_of_an_object_with_a_name() -> None:
    manager.server = manager.server or spawn(never())


@legitimate()
async def server_in_a_list_with_a_name() -> None:
    if not servers:
        servers.append(spawn(_gathers()))


@legitimate()
async def session_in_a_dict_with_a_name() -> None:
    if len(sessions) < FEW:
        sessions[f"user {len(sessions)}"] = ("user", spawn(never()))


async def _gathers() -> None:
    await asyncio.gather(never(), never())


@legitimate()
async def queue_that_the_program_keeps() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    app.append(queue)

    async def works() -> None:
        while True:
            await queue.get()

    spawn(works())


@legitimate()
async def future_of_a_request_that_the_program_keeps() -> None:
    future = asyncio.get_running_loop().create_future()
    app.append({"request": 7, "answer": future})
    spawn(_awaits(future))


@legitimate()
async def iteration_over_a_generator() -> None:
    async def counts() -> AsyncIterator[int]:
        await asyncio.sleep(3600)
        yield 1

    async def iterates() -> None:
        async for _ in counts():
            pass

    spawn(iterates())


@legitimate()
async def generator_with_a_queue_that_is_kept() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    app.append(queue)

    async def items() -> AsyncIterator[int]:
        while True:
            yield await queue.get()

    async def iterates() -> None:
        async for _ in items():
            pass

    spawn(iterates())


@legitimate()
async def block_of_a_context_manager() -> None:
    @contextlib.asynccontextmanager
    async def manages() -> AsyncIterator[asyncio.Event]:
        event = asyncio.Event()
        later(event.set)
        yield event

    async def waits() -> None:
        async with manages() as event:
            await event.wait()

    spawn(waits())


@legitimate()
async def event_in_a_context() -> None:
    events: contextvars.ContextVar[asyncio.Event] = contextvars.ContextVar("events")
    events.set(asyncio.Event())
    later(lambda: events.get().set())
    spawn(events.get().wait())


@legitimate()
async def weak_reference_of_a_timer() -> None:
    future = asyncio.get_running_loop().create_future()
    reference = weakref.ref(future)

    def answers() -> None:
        if (known := reference()) is not None:
            known.set_result(1)

    later(answers)
    spawn(_awaits(future))


@legitimate()
async def weak_dictionary_that_is_kept() -> None:
    future = asyncio.get_running_loop().create_future()
    app.append(weakref.WeakValueDictionary({"answer": future}))
    spawn(_awaits(future))


@legitimate()
async def weak_proxy_that_is_kept() -> None:
    event = asyncio.Event()
    app.append(weakref.proxy(event))
    spawn(event.wait())


@legitimate()
async def weak_proxy_with_a_callback_that_is_kept() -> None:
    event = asyncio.Event()
    app.append(weakref.proxy(event, print))
    spawn(event.wait())


@legitimate()
async def awaitable_of_its_own() -> None:
    class Awaitable:
        def __init__(self) -> None:
            self.future = asyncio.get_running_loop().create_future()

        def __await__(self) -> Generator[Any, Any, Any]:
            return (yield from self.future.__await__())

    async def waits(awaitable: Awaitable) -> None:
        await awaitable

    awaitable = Awaitable()
    later(awaitable.future.set_result, 1)
    spawn(waits(awaitable))


@legitimate()
async def coroutine_that_is_a_generator() -> None:
    @types.coroutine
    def waits(future: asyncio.Future[Any]) -> Generator[Any, Any, Any]:
        return (yield from future)

    future = asyncio.get_running_loop().create_future()
    app.append(future)

    async def waits_for_it() -> None:
        await waits(future)

    spawn(waits_for_it())


@legitimate()
async def attributes_that_are_kept_alone() -> None:
    class Request:
        def __init__(self) -> None:
            self.event = asyncio.Event()

    async def waits(request: Request) -> None:
        await request.event.wait()

    request = Request()
    app.append(vars(request))
    spawn(waits(request))


@legitimate()
async def slots_that_are_kept() -> None:
    class Request:
        __slots__ = ("event",)

        def __init__(self) -> None:
            self.event = asyncio.Event()

    request = Request()
    app.append(request)
    spawn(request.event.wait())


@legitimate()
async def traceback_that_is_kept() -> None:
    event = asyncio.Event()

    def fails(event: asyncio.Event) -> None:
        raise RuntimeError(event)

    try:
        fails(event)
    except RuntimeError as error:
        app.append(error.__traceback__.tb_next)  # type: ignore[union-attr]
    spawn(event.wait())


@legitimate()
async def generator_that_is_kept() -> None:
    def answers(event: asyncio.Event) -> Generator[None, None, None]:
        yield
        event.set()

    event = asyncio.Event()
    generator = answers(event)
    next(generator)
    app.append(generator)
    spawn(event.wait())


async def _awaits(future: asyncio.Future[Any]) -> None:
    await future
