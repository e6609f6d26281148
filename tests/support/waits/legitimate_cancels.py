"""Waits that end by a cancel: of a timeout, an owner, a group; and waits for tasks that end."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

from tests.support.waits.kinds import later, legitimate, never, spawn


@legitimate()
async def gathered_sleeps() -> None:
    async def gathers() -> None:
        await asyncio.gather(asyncio.sleep(3600), asyncio.gather(asyncio.sleep(3600), return_exceptions=True))

    spawn(gathers())


@legitimate()
async def first_of_two() -> None:
    async def waits() -> None:
        tasks = {spawn(asyncio.sleep(3600)), spawn(never())}
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()

    spawn(waits())


@legitimate()
async def wait_with_a_timeout() -> None:
    spawn(asyncio.wait([spawn(never())], timeout=3600))


@legitimate()
async def wait_for_with_a_timeout() -> None:
    spawn(asyncio.wait_for(never(), 3600))


@legitimate()
async def wait_for_nested() -> None:
    async def waits() -> None:
        queue: asyncio.Queue[int] = asyncio.Queue()
        await asyncio.wait_for(asyncio.wait_for(queue.get(), 7200), 3600)

    spawn(waits())


@legitimate()
async def many_gathered_with_a_timeout() -> None:
    spawn(asyncio.wait_for(_gather([never() for _ in range(40)]), 3600))


@legitimate()
async def gathered_with_a_timeout_and_one_alive() -> None:
    spawn(asyncio.wait_for(_gather([never(), asyncio.sleep(7200)]), 3600))


@legitimate((3, 11))
async def block_with_a_timeout() -> None:
    async def waits() -> None:
        async with asyncio.timeout(3600):
            await never()

    spawn(waits())


@legitimate()
async def shielded_sleep() -> None:
    async def waits() -> None:
        await asyncio.shield(asyncio.get_running_loop().create_task(asyncio.sleep(3600)))

    spawn(waits())


@legitimate()
async def task_of_a_task() -> None:
    async def waits() -> None:
        await spawn(asyncio.sleep(3600))

    spawn(waits())


@legitimate((3, 11))
async def group_of_sleeps() -> None:
    async def waits() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(asyncio.sleep(3600))
            group.create_task(asyncio.sleep(3600))

    spawn(waits())


@legitimate((3, 11))
async def group_that_its_owner_ends() -> None:
    async def owns() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(never())
            await asyncio.sleep(3600)
            raise RuntimeError

    spawn(owns())


@legitimate((3, 11))
async def large_group_with_a_timeout() -> None:
    async def owns() -> None:
        async with asyncio.timeout(3600), asyncio.TaskGroup() as group:
            for _ in range(40):
                group.create_task(never())

    spawn(owns())


@legitimate()
async def as_they_are_completed() -> None:
    async def waits() -> None:
        for task in asyncio.as_completed([asyncio.sleep(3600), asyncio.sleep(3600)]):
            await task

    spawn(waits())


@legitimate()
async def task_to_be_cancelled_by_its_owner() -> None:
    async def owns() -> None:
        task = spawn(never())
        await asyncio.sleep(3600)
        task.cancel()

    spawn(owns())


@legitimate()
async def many_to_be_cancelled_by_their_owner() -> None:
    async def owns() -> None:
        tasks = [spawn(never()) for _ in range(40)]
        await asyncio.sleep(3600)
        for task in tasks:
            task.cancel()

    spawn(owns())


@legitimate()
async def task_to_be_cancelled_by_a_timer() -> None:
    later(spawn(never()).cancel)
    later(functools.partial(spawn(never()).cancel))


@legitimate()
async def task_to_be_cancelled_on_close() -> None:
    class Service:
        def __init__(self) -> None:
            self.task = spawn(never())

        async def close_later(self) -> None:
            await asyncio.sleep(3600)
            self.task.cancel()

    spawn(Service().close_later())


@legitimate()
async def task_to_be_cancelled_by_a_callback() -> None:
    task = spawn(never())
    future = asyncio.get_running_loop().create_future()
    future.add_done_callback(lambda _: task.cancel())
    later(future.set_result, 1)


async def _gather(coroutines: list[Any]) -> None:
    await asyncio.gather(*coroutines)
