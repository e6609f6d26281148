"""Which waiting tasks what runs has at hand, so that it can cancel them.

What runs is the functions of threads, live coroutines, and the callbacks of event loops and of live futures. A task is
at hand in a variable or a container in a variable, and within a few steps of attributes and small containers. In a
large container below an attribute tasks are kept, not at hand: it is where they pile up. What asyncio and anyio have of
their own, as a timeout or a group that waits for its tasks, has all of them at hand.
"""

from __future__ import annotations

import gc
import sys
import types
from collections import deque
from contextvars import Context
from typing import Any

from ..holders.objects import attribute_of, is_static, locals_of, type_name
from .snapshot import FUTURE, HANDLE, OTHER, SUSPENDED, TASK, Snapshot
from .waits import frame_of, is_pending

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .reach import Reach
    from .waits import Wait

STEPS = 4
"""References from a variable to a task at hand, at most: as in ``self.group.tasks``, with a dict of attributes."""
CROWD = 20
"""Entries of a container below an attribute from which on it is not gone into."""
_CONTAINERS = (dict, list, tuple, set, frozenset, deque)
_CLOSED = (type, types.ModuleType, types.CodeType, Context)
_LIBRARIES = ("asyncio.", "anyio.")


def release_at_hand(snapshot: Snapshot, reach: Reach, own_thread: int) -> bool:
    """Release the waiting tasks that are at hand; return whether there was one."""
    if reach.is_whole():
        return False
    found = [wait for wait in _at_hand(snapshot, reach, own_thread) if not wait.released]
    for wait in found:
        _cancel(wait, reach)
    return bool(found)


def _cancel(wait: Wait, reach: Reach) -> None:
    """Release a task that can be cancelled, and what it awaits: that is cancelled first."""
    left = [wait]
    while left:
        one = left.pop()
        if one.released:
            continue
        reach.release(one)
        awaited = [one.future]
        if type_name(type(one.future)) == "asyncio.tasks._GatheringFuture":
            awaited += attribute_of(one.future, "_children") or ()
        left += [known for task in awaited if (known := reach.wait_of(task)) is not None]


def _at_hand(snapshot: Snapshot, reach: Reach, own_thread: int) -> Iterator[Wait]:
    variables: list[Any] = list(_variables_of_threads(own_thread))
    joined: list[Any] = []
    for coroutine in filter(reach.has, snapshot.of(SUSPENDED)):
        (joined if _is_of_library(coroutine) else variables).extend(_variables_of(coroutine))
    for handle in filter(reach.has, snapshot.of(HANDLE)):
        for thing in gc.get_referents(handle):
            owner = thing.__self__ if type(thing) is types.MethodType else None
            (joined if type_name(type(owner)).startswith(_LIBRARIES) else variables).append(thing)
    for future in filter(reach.has, (*snapshot.of(FUTURE), *snapshot.of(TASK))):
        if is_pending(future):
            variables += _callbacks_of(future)
    near = [entry for thing in variables for entry in _entries(thing)]
    for things in (near, _follow(variables, snapshot, wide=False), _follow(joined, snapshot, wide=True)):
        for thing in things:
            wait = reach.wait_of(thing)
            if wait is not None:
                yield wait


def _variables_of(coroutine: Any) -> list[Any]:
    """Return what a suspended coroutine refers to, up to Python 3.10 by its frame."""
    frame = frame_of(coroutine) if sys.version_info < (3, 11) else None
    return gc.get_referents(coroutine) if frame is None else gc.get_referents(coroutine, frame)


def _callbacks_of(future: Any) -> list[Any]:
    return [entry for pair in attribute_of(future, "_callbacks") or () for entry in pair]


def _variables_of_threads(own_thread: int) -> Iterator[Any]:
    innermost = sys._current_frames()  # noqa: SLF001 - the only way to other threads' frames
    innermost.pop(own_thread, None)
    for frame in innermost.values():
        outer: types.FrameType | None = frame
        while outer is not None:
            yield from locals_of(outer).values()
            outer = outer.f_back


def _follow(things: Iterable[Any], snapshot: Snapshot, *, wide: bool) -> Iterator[Any]:
    """Yield what is within STEPS of these; ``wide``: containers of any size, but no objects of other libraries."""
    level = list(things)
    met: set[int] = set()
    for _ in range(STEPS + 1):
        below: list[Any] = []
        for thing in level:
            if id(thing) not in met and gc.is_tracked(thing):
                met.add(id(thing))
                yield thing
                if snapshot.sort(thing) == OTHER:
                    below += _below(thing, wide=wide)
        level = below


def _below(thing: Any, *, wide: bool) -> Iterable[Any]:
    cls = type(thing)
    if cls is types.FunctionType:
        return (*(thing.__closure__ or ()), *(thing.__defaults__ or ()))
    if cls in (types.MethodType, types.CellType):
        return gc.get_referents(thing)
    if issubclass(cls, _CLOSED):
        return ()
    if issubclass(cls, _CONTAINERS):
        return gc.get_referents(thing) if wide or _length(thing) <= CROWD else ()
    if wide and not (type_name(cls).startswith(_LIBRARIES) or is_static(cls)):
        return ()
    return gc.get_referents(thing)


def _entries(thing: Any) -> list[Any]:
    return gc.get_referents(thing) if issubclass(type(thing), _CONTAINERS) else []


def _length(container: Any) -> int:
    return next(base.__len__(container) for base in _CONTAINERS if issubclass(type(container), base))


def _is_of_library(coroutine: Any) -> bool:
    """Return whether a coroutine is one of asyncio or anyio, that awaits others on behalf of its caller."""
    frame = frame_of(coroutine)
    return frame is not None and str(dict.get(frame.f_globals, "__name__")).startswith(_LIBRARIES)
