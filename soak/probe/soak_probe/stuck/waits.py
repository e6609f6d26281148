"""What a pending task waits for, and through which coroutines."""

from __future__ import annotations

import gc
import sys
from typing import Any

from ..holders.asyncio_objects import MOST_FRAMES, awaited_by, coroutine_of, frame_of, future_awaited
from ..holders.objects import is_one_of, is_static
from .snapshot import SUSPENDED_TYPES

_STEPS = frozenset(
    ("async_generator_asend", "async_generator_athrow", "anext_awaitable", "coroutine_wrapper")
)
"""Types of C between a coroutine and the generator that it awaits."""
_FRAMES_ARE_OBJECTS = sys.version_info < (3, 11)


class Wait:
    """A pending task, and the future that it awaits: None where it is about to run."""

    __slots__ = ("at_hand", "chain", "future", "released", "task")

    def __init__(self, task: Any) -> None:
        self.task = task
        self.future = future_awaited(task)
        self.chain = chain_of(coroutine_of(task))
        self.at_hand = False
        """Whether something can cancel it."""
        self.released = False
        """Whether something can wake or cancel it."""

    def guards(self) -> list[Any]:
        """Return what is entered only once the future is reached: the task, its coroutines, in 3.10 their frames."""
        frames = [frame for frame in map(frame_of, self.chain) if frame] if _FRAMES_ARE_OBJECTS else []
        return [self.task, *self.chain, *frames]


def chain_of(coroutine: Any) -> list[Any]:
    """Return the coroutine and what it awaits, the outermost first, without the future at the end."""
    found: list[Any] = []
    while coroutine is not None and len(found) < MOST_FRAMES:
        if is_one_of(type(coroutine), SUSPENDED_TYPES):
            found.append(coroutine)
            coroutine = awaited_by(coroutine)
        elif is_static(type(coroutine)) and type(coroutine).__name__ in _STEPS:
            found.append(coroutine)
            inner = [
                thing for thing in gc.get_referents(coroutine) if is_one_of(type(thing), SUSPENDED_TYPES)
            ]
            coroutine = inner[0] if inner else None
        else:
            break
    return found
