"""The task manager of the published fix."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

SWEEP_EVERY_S: Final = 60.0


class TaskManager:
    """Holds each task until it is done; nothing bounds how many there are. Make it inside a running event loop."""

    def __init__(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._tasks: set[asyncio.Task[None]] = set()
        self._sweeper = asyncio.create_task(self._sweep(), name="sweep")

    def create_task(self, coro: Coroutine[Any, Any, None], name: str) -> None:
        """Start ``coro`` and forget it when it is done."""
        task = asyncio.create_task(coro, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def get_active_task_count(self) -> int:
        """Return how many tasks are held."""
        return len(self._tasks)

    async def shutdown(self) -> None:
        """Cancel what runs and wait for it, without a deadline; safe to call again."""
        running = (self._sweeper, *self._tasks)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _sweep(self) -> None:
        while True:
            await self._sleep(SWEEP_EVERY_S)
            self._tasks.difference_update([task for task in self._tasks if task.done()])
