"""Background tasks with an owner that bounds, sweeps and ends them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from gateway.failures import OverloadedError


class BoundedTaskManager:
    """Holds each background task until it is done, and never more work than ``max_work``.

    Work is a request in flight, which may become a task, or a task. ``on_error`` gets what a task raised.
    """

    def __init__(self, max_work: int, on_error: Callable[[BaseException], None]) -> None:
        self._max_work = max_work
        self._on_error = on_error
        self._tasks: set[asyncio.Task[None]] = set()
        self._in_flight = 0

    def __len__(self) -> int:
        return len(self._tasks)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Hold a place for one request; raises OverloadedError when all are taken.

        The place is taken before a service is asked; by then the request has been read, up to 1 MiB of it.
        """
        if self._in_flight + len(self._tasks) >= self._max_work:
            raise OverloadedError(f"{self._max_work} requests are being worked on; try again later")
        self._in_flight += 1
        try:
            yield
        finally:
            self._in_flight -= 1

    def create_task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Start ``work`` and forget it when it is done; call it while holding a place."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._finish)

    def sweep(self) -> None:
        """Drop tasks that are done, should a done-callback ever not have run."""
        for task in [task for task in self._tasks if task.done()]:
            self._finish(task)

    async def shutdown(self, timeout_s: float) -> None:
        """Let tasks finish for ``timeout_s``, cancel the rest and wait at most as long again."""
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=timeout_s)
        self.sweep()

    def _finish(self, task: asyncio.Task[None]) -> None:
        if task not in self._tasks:
            return
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_error(error)
