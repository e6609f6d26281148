"""What a pending task waits for, and through which coroutines."""

from __future__ import annotations

import gc
import sys
import types
from typing import Any

from ..holders.objects import attribute_of, is_static, mro_of, type_name
from ..holders.roots import MOST_FRAMES, coroutine_of
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


def future_awaited(task: Any) -> Any:
    """Return the future that a pending task awaits, None for one that is about to run."""
    for base in mro_of(type(task)):
        name = type_name(base)
        if name == "_asyncio.Task":
            return base._fut_waiter.__get__(task)  # type: ignore[attr-defined]  # noqa: SLF001 - of C: runs no code
        if name == "asyncio.tasks.Task":
            return attribute_of(task, "_fut_waiter")
    return None


def is_pending(future: Any) -> bool:
    """Return whether an asyncio future has no result; False for what is no such future."""
    for base in mro_of(type(future)):
        name = type_name(base)
        if name == "_asyncio.Future":
            return not base.done(future)  # type: ignore[attr-defined]
        if name == "asyncio.futures.Future":
            return bool(attribute_of(future, "_state") == "PENDING")
    return False


def chain_of(coroutine: Any) -> list[Any]:
    """Return the coroutine and what it awaits, the outermost first, without the future at the end."""
    found: list[Any] = []
    while coroutine is not None and len(found) < MOST_FRAMES:
        if type(coroutine) in SUSPENDED_TYPES:
            found.append(coroutine)
            coroutine = _inner(coroutine)
        elif is_static(type(coroutine)) and type(coroutine).__name__ in _STEPS:
            found.append(coroutine)
            inner = [thing for thing in gc.get_referents(coroutine) if type(thing) in SUSPENDED_TYPES]
            coroutine = inner[0] if inner else None
        else:
            break
    return found


def _inner(coroutine: Any) -> Any:
    if type(coroutine) is types.CoroutineType:
        return coroutine.cr_await
    return coroutine.gi_yieldfrom if type(coroutine) is types.GeneratorType else coroutine.ag_await


def frame_of(coroutine: Any) -> types.FrameType | None:
    """Return the frame of a suspended coroutine or generator."""
    if type(coroutine) is types.CoroutineType:
        return coroutine.cr_frame
    if type(coroutine) is types.GeneratorType:
        return coroutine.gi_frame
    return coroutine.ag_frame if type(coroutine) is types.AsyncGeneratorType else None
