"""Waits within the event loop that end by a timer or another task."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.waits.kinds import later, legitimate, spawn


@legitimate()
async def sleeps() -> None:
    spawn(asyncio.sleep(3600))


@legitimate()
async def event_of_a_timer() -> None:
    event = asyncio.Event()
    later(event.set)
    spawn(event.wait())


@legitimate()
async def event_of_a_live_task() -> None:
    event = asyncio.Event()

    async def sets_it() -> None:
        await asyncio.sleep(3600)
        event.set()

    spawn(sets_it())
    spawn(event.wait())


@legitimate()
async def queue_with_a_producer() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()

    async def produces() -> None:
        await asyncio.sleep(3600)
        queue.put_nowait(1)

    spawn(produces())
    spawn(queue.get())


@legitimate()
async def full_queue_with_a_consumer() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    queue.put_nowait(1)

    async def consumes() -> None:
        await asyncio.sleep(3600)
        queue.get_nowait()

    spawn(consumes())
    spawn(queue.put(2))


@legitimate()
async def queue_to_be_joined() -> None:
    queue: asyncio.Queue[int] = asyncio.Queue()
    queue.put_nowait(1)

    async def works() -> None:
        await queue.get()
        await asyncio.sleep(3600)
        queue.task_done()

    spawn(works())
    spawn(queue.join())


@legitimate()
async def lock_that_a_sleeper_holds() -> None:
    lock = asyncio.Lock()

    async def holds() -> None:
        async with lock:
            await asyncio.sleep(3600)

    spawn(holds())
    spawn(holds())


@legitimate()
async def semaphore_that_a_sleeper_holds() -> None:
    semaphore = asyncio.Semaphore(1)

    async def holds() -> None:
        async with semaphore:
            await asyncio.sleep(3600)

    spawn(holds())
    spawn(holds())


@legitimate()
async def condition_to_be_notified() -> None:
    condition = asyncio.Condition()

    async def waits() -> None:
        async with condition:
            await condition.wait()

    async def notifies() -> None:
        await asyncio.sleep(3600)
        async with condition:
            condition.notify_all()

    spawn(waits())
    spawn(notifies())


@legitimate((3, 11))
async def barrier_with_a_late_party() -> None:
    barrier = asyncio.Barrier(2)

    async def comes_late() -> None:
        await asyncio.sleep(3600)
        await barrier.wait()

    spawn(comes_late())
    spawn(barrier.wait())


@legitimate()
async def future_of_a_timer() -> None:
    future = asyncio.get_running_loop().create_future()
    later(future.set_result, 1)
    spawn(_awaits(future))


@legitimate()
async def future_of_another_future() -> None:
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    first.add_done_callback(lambda _: second.set_result(1))
    later(first.set_result, 1)
    spawn(_awaits(second))


async def _awaits(future: asyncio.Future[Any]) -> None:
    await future
