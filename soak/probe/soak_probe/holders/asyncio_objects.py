"""What coroutines, tasks and futures tell of themselves: asyncio is not imported, and no code of the target is run."""

from __future__ import annotations

import types
from typing import Any

from .objects import attribute_of, mro_of, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FRAMES = 100
"""Of a thread or task."""
MOST_CODES = 10
"""Of a task, by which it is told from others."""
LONGEST_NAME = 200
"""Characters of the name of a function."""


def function_name(code: types.CodeType) -> str:
    """Return ``Class.function()``; before Python 3.11 ``function()``."""
    name: str = getattr(code, "co_qualname", code.co_name)
    return f"{name.replace('<locals>.', '')[:LONGEST_NAME]}()"


def frame_of(coroutine: Any) -> types.FrameType | None:
    """Return the frame of a suspended coroutine or generator."""
    if type(coroutine) is types.CoroutineType:
        return coroutine.cr_frame
    if type(coroutine) is types.GeneratorType:
        return coroutine.gi_frame
    return coroutine.ag_frame if type(coroutine) is types.AsyncGeneratorType else None


def awaited_by(coroutine: Any) -> Any:
    """Return what a suspended coroutine or generator awaits."""
    if type(coroutine) is types.CoroutineType:
        return coroutine.cr_await
    if type(coroutine) is types.GeneratorType:
        return coroutine.gi_yieldfrom
    return coroutine.ag_await if type(coroutine) is types.AsyncGeneratorType else None


def frames_of(coroutine: Any) -> Iterator[types.FrameType]:
    """Yield the frames of a suspended coroutine or generator, and of what it awaits."""
    for _ in range(MOST_FRAMES):
        frame, coroutine = frame_of(coroutine), awaited_by(coroutine)
        if frame is not None:
            yield frame
        if coroutine is None:
            return


def codes_of(coroutine: Any) -> Iterator[types.CodeType]:
    """Yield the code of a coroutine or generator and of the first few that it awaits; unlike frames it is there."""
    for _ in range(MOST_CODES):
        if type(coroutine) is types.CoroutineType:
            yield coroutine.cr_code
        elif type(coroutine) is types.GeneratorType:
            yield coroutine.gi_code
        elif type(coroutine) is types.AsyncGeneratorType:
            yield coroutine.ag_code
        else:
            return
        coroutine = awaited_by(coroutine)


def coroutine_of(task: Any) -> Any:
    """Return the coroutine of an asyncio task, None for anything else; no method of a subclass is called."""
    return _of_task(task, "_coro")  # get_coro() may crash 3.12


def future_awaited(task: Any) -> Any:
    """Return the future that a pending task awaits, None for one that is about to run."""
    return _of_task(task, "_fut_waiter")


def _of_task(task: Any, name: str) -> Any:
    for base in mro_of(type(task)):
        found = type_name(base)
        if found == "_asyncio.Task":
            return getattr(base, name).__get__(task)  # of C: runs no code
        if found == "asyncio.tasks.Task":
            return attribute_of(task, name)
    return None


def is_task(thing: Any) -> bool:
    """Return whether it is an asyncio task; one that ended before it was ever suspended has no coroutine."""
    return any(type_name(base) in ("_asyncio.Task", "asyncio.tasks.Task") for base in mro_of(type(thing)))


def is_future(thing: Any) -> bool:
    """Return whether it is a future of C, as tasks are."""
    return any(type_name(base) == "_asyncio.Future" for base in mro_of(type(thing)))


def is_done(future: Any) -> bool | None:
    """Return whether an asyncio future or task has ended; None for what is neither."""
    for base in mro_of(type(future)):
        name = type_name(base)
        if name == "_asyncio.Future":
            return bool(base.done(future))  # type: ignore[attr-defined]
        if name == "asyncio.futures.Future":
            return bool(attribute_of(future, "_state") != "PENDING")
    return None
