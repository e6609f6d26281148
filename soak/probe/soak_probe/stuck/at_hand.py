"""Which waiting tasks what runs has at hand, so that it can cancel them.

What runs is the functions of threads, live coroutines, and the callbacks of event loops and of live futures. A task is
at hand in a variable or a container in a variable, and within a few steps of attributes and small containers. In a
large container below an attribute tasks are kept, not at hand: it is where they pile up. So it is with names of the
program's own modules, which any of its functions has: a large container there is no owner. What asyncio and anyio have
of their own, as a timeout or a group that waits for its tasks, has all of them at hand.
"""

from __future__ import annotations

import gc
import os
import sys
import types
from collections import deque
from contextvars import Context
from typing import Any

from ..creations import code_of
from ..holders.asyncio_objects import frame_of, is_done
from ..holders.objects import (
    attribute_of,
    attributes_of,
    is_a,
    is_one_of,
    is_static,
    type_name,
)
from ..holders.roots import MOST_FRAMES_ASKED_FOR, OWN, is_of_the_probe, owner_of
from ..holders.variables import LeftAlone, innermost_frames, locals_of
from .snapshot import FUTURE, HANDLE, OTHER, SUSPENDED, TASK, Snapshot

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
_LIBRARY_PATHS = tuple(f"{os.sep}{name[:-1]}{os.sep}" for name in _LIBRARIES)
_FRAMES_ARE_THERE = sys.version_info < (3, 11)
"""Whether each function that runs has an object for its frame, though nobody has asked for it."""
_NOT_INTO, _INTO, _INTO_SMALL, _CLOSURE = range(4)


def release_named(snapshot: Snapshot, reach: Reach) -> None:
    """Release the waiting tasks that names of the program's own modules lead to in a few steps."""
    if not reach.is_whole():
        for wait in list(_Steps(snapshot, wide=False).follow(_values_of_modules(), reach)):
            reach.cancel(wait)


def release_at_hand(snapshot: Snapshot, reach: Reach, own_thread: int) -> bool:
    """Release the waiting tasks that are at hand; return whether there was a new one."""
    if reach.is_whole():
        return False
    found = [wait for wait in _at_hand(snapshot, reach, own_thread) if not wait.at_hand]
    for wait in found:
        reach.cancel(wait)
    return bool(found)


def _at_hand(snapshot: Snapshot, reach: Reach, own_thread: int) -> Iterator[Wait]:
    variables: list[Any] = list(_variables_of_threads(snapshot, own_thread))
    coroutines: tuple[list[Any], list[Any]] = ([], [])
    for coroutine in filter(reach.has, snapshot.of(SUSPENDED)):
        coroutines[_is_of_library(coroutine)].append(coroutine)
    variables += _variables_of(coroutines[False])
    joined = _variables_of(coroutines[True])
    for handle in filter(reach.has, snapshot.of(HANDLE)):
        for thing in gc.get_referents(handle):
            owner = thing.__self__ if type(thing) is types.MethodType else None
            (joined if type_name(type(owner)).startswith(_LIBRARIES) else variables).append(thing)
    for future in filter(reach.has, (*snapshot.of(FUTURE), *snapshot.of(TASK))):
        if is_done(future) is False:
            variables += (entry for pair in attribute_of(future, "_callbacks") or () for entry in pair)
    near = gc.get_referents(*(thing for thing in variables if issubclass(type(thing), _CONTAINERS)))
    yield from reach.waits_among(near)
    yield from _Steps(snapshot, wide=False).follow(variables, reach)
    yield from _Steps(snapshot, wide=True).follow(joined, reach)


def _is_of_library(coroutine: Any) -> bool:
    """Return whether a coroutine is one of asyncio or anyio, that awaits others on behalf of its caller."""
    code = coroutine.ag_code if type(coroutine) is types.AsyncGeneratorType else code_of(coroutine)
    return code is not None and any(part in code.co_filename for part in _LIBRARY_PATHS)


def _variables_of(coroutines: list[Any]) -> list[Any]:
    """Return what suspended coroutines refer to, up to Python 3.10 by their frames."""
    frames = map(frame_of, coroutines) if sys.version_info < (3, 11) else ()
    return gc.get_referents(*coroutines, *(frame for frame in frames if frame is not None))


def _variables_of_threads(snapshot: Snapshot, own_thread: int) -> Iterator[Any]:
    """Yield the values of the variables of running functions.

    Of a function whose frame must not be asked they are what the frame is known to refer to, and since Python 3.11
    among the roots, all of which are taken then: too many at hand rather than too few. So it is where functions are not
    asked because there are too many: up to Python 3.12 each is made a dict, and since 3.11 an object, until it ends.
    """
    innermost = innermost_frames()
    if innermost is None:
        yield from snapshot.roots
        return
    innermost.pop(own_thread, None)
    left_alone: list[types.FrameType] = []
    for frame in innermost.values():
        outer: types.FrameType | None = frame
        called: types.FrameType | None = None
        depth = 0
        while outer is not None and (depth <= MOST_FRAMES_ASKED_FOR or _FRAMES_ARE_THERE):
            names = locals_of(outer, called) if depth < MOST_FRAMES_ASKED_FOR else LeftAlone()
            yield from names.values()
            if type(names) is LeftAlone:
                left_alone.append(outer)
            called, outer = outer, outer.f_back
            depth += 1
    if left_alone:
        yield from gc.get_referents(*left_alone)
        yield from snapshot.roots


def _values_of_modules() -> Iterator[Any]:
    """Yield what the names of the program's own modules stand for."""
    for label, module in list(sys.modules.items()):
        if not is_a(module, types.ModuleType) or is_of_the_probe(label):
            continue
        names = attributes_of(module) or {}
        file = names.get("__file__")
        if (type(label) is str and label == "__main__") or (type(file) is str and owner_of(file) == OWN):
            yield from list(names.values())


class _Steps:
    """Follows references for a few steps; ``wide``: containers of any size, but no objects of other libraries."""

    def __init__(self, snapshot: Snapshot, *, wide: bool) -> None:
        self._snapshot = snapshot
        self._wide = wide
        self._ways: dict[int, tuple[int, type]] = {}
        """How objects of a type are followed, by its address; the type is kept, or it might become another's."""

    def follow(self, things: Iterable[Any], reach: Reach) -> Iterator[Wait]:
        """Yield the waiting tasks within STEPS of these."""
        found = {id(thing): thing for thing in things}
        met: set[int] = set()
        for _ in range(STEPS + 1):
            self._snapshot.check_time()
            new = [thing for address, thing in found.items() if address not in met]
            met.update(found)
            yield from reach.waits_among(new)
            below = self._below(new)
            found = {id(thing): thing for thing in below if gc.is_tracked(thing)}

    def _below(self, things: Iterable[Any]) -> list[Any]:
        entered, below, known = [], [], self._ways
        for thing in things:
            way = known.get(id(type(thing)))
            if way is None:
                way = known[id(type(thing))] = self._way(thing), type(thing)
            if way[0] == _INTO or (way[0] == _INTO_SMALL and _length(thing) <= CROWD):
                entered.append(thing)
            elif way[0] == _CLOSURE:
                below += [*(thing.__closure__ or ()), *(thing.__defaults__ or ())]
        return below + gc.get_referents(*entered)

    def _way(self, thing: Any) -> int:
        cls = type(thing)
        if cls is types.FunctionType:
            return _CLOSURE
        if is_one_of(cls, (types.MethodType, types.CellType)):
            return _INTO
        if issubclass(cls, _CLOSED) or self._snapshot.sort(thing) != OTHER:
            return _NOT_INTO
        if issubclass(cls, _CONTAINERS):
            return _INTO if self._wide else _INTO_SMALL
        if self._wide and not (type_name(cls).startswith(_LIBRARIES) or is_static(cls)):
            return _NOT_INTO
        return _INTO


def _length(container: Any) -> int:
    return next(base.__len__(container) for base in _CONTAINERS if issubclass(type(container), base))
