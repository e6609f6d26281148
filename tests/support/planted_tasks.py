"""Stand-ins for asyncio tasks, for tests of what the probe reads of them."""

from __future__ import annotations

from typing import Any


class PlantedTask:
    """A task that is done or not, of a loop."""

    def __init__(self, done: bool = False, loop: Any = None) -> None:
        self._done = done
        self._loop = loop

    def done(self) -> bool:
        return self._done

    def get_loop(self) -> Any:
        return self._loop


def reference(task: PlantedTask | None) -> Any:
    """Return what stands for a weak reference to the task."""
    return lambda: task
