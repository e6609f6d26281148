"""All objects that the collector tracks, and which of them are referred to from elsewhere: the collector's own method.

An object with more references counted than tracked objects hold is referred to by C, by a running function, or by an
object that the collector does not see: it is a root. One with fewer is a root, too, as its count is not understood.
"""

from __future__ import annotations

import gc
import sys
import types
import weakref
from array import array
from collections import Counter
from itertools import islice
from typing import Any

from ..holders.objects import mro_of, type_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHUNK = 4_096
"""Objects whose referents are asked for at once."""

OTHER, TASK, FUTURE, SUSPENDED, WEAK, PROXY, HANDLE, REGISTRY, MODULE = range(9)
"""Sorts of objects; a task is no FUTURE here."""

SUSPENDED_TYPES = (types.CoroutineType, types.GeneratorType, types.AsyncGeneratorType)
_BY_NAME = {
    "_asyncio.Task": TASK,
    "asyncio.tasks.Task": TASK,
    "_asyncio.Future": FUTURE,
    "asyncio.futures.Future": FUTURE,
    "asyncio.events.Handle": HANDLE,
    "uvloop.loop.Handle": HANDLE,
    "uvloop.loop.TimerHandle": HANDLE,
    "asyncio.base_events.BaseEventLoop": REGISTRY,
    "uvloop.loop.Loop": REGISTRY,
    "selectors.BaseSelector": REGISTRY,
}
_BY_TYPE: dict[int, int] = {
    **{id(cls): SUSPENDED for cls in SUSPENDED_TYPES},
    id(weakref.ref): WEAK,
    **{id(cls): PROXY for cls in weakref.ProxyTypes},
    id(types.ModuleType): MODULE,
}


def sort_of(cls: type) -> int:
    """Return the sort of the objects of a type."""
    for base in mro_of(cls):
        sort = _BY_TYPE.get(id(base)) or _BY_NAME.get(type_name(base))
        if sort:
            return sort
    return OTHER


class LateError(Exception):
    """The time that was given is over."""


class Snapshot:
    """The objects at one instant; only for as long as nothing else runs.

    ``objects`` are all of them, listed before this is made: were it one of its own, a target that has switched its
    collector off would keep this, and all of its objects, for ever. ``check_time`` raises what ends it.
    """

    def __init__(self, objects: list[Any], check_time: Callable[[], None]) -> None:
        self.objects = objects
        self.check_time = check_time
        self.objects.append(object())  # nobody else's: so many references are ours
        counts = array("q", map(sys.getrefcount, self.objects))
        self.objects.pop()
        ours = counts.pop()
        self._sorts = {
            address: sort_of(cls)
            for address, cls in {id(cls): cls for cls in map(type, self.objects)}.items()
        }
        self._found: dict[int, list[Any]] = {sort: [] for sort in range(OTHER, MODULE + 1)}
        marked = {address: sort for address, sort in self._sorts.items() if sort}
        for thing in self.objects:
            if id(type(thing)) in marked:
                self._found[marked[id(type(thing))]].append(thing)
        held: Counter[int] = Counter()
        for part in self._parts(frozenset(map(id, self._found[MODULE]))):
            held.update(map(id, filter(gc.is_tracked, gc.get_referents(*part))))
        known = held.get
        self.roots = [
            thing
            for thing, count in zip(self.objects, counts)  # noqa: B905 - Python 3.9
            if count - ours != known(id(thing), 0)
        ]

    def of(self, sort: int) -> list[Any]:
        """Return the objects of a sort."""
        return self._found[sort]

    def sort(self, thing: Any) -> int:
        """Return the sort of an object."""
        sort = self._sorts.get(id(type(thing)))
        return sort_of(type(thing)) if sort is None else sort

    def _parts(self, closed: frozenset[int]) -> Iterator[list[Any]]:
        """Yield all objects but modules: to ask ``_asyncio`` twice for its referents hangs CPython 3.12.0 and 3.12.1.

        See gh-122695: it returns the freed iterators of its free list. What a module alone refers to is a root then.
        """
        things = iter(self.objects)
        while part := list(islice(things, CHUNK)):
            self.check_time()
            yield [thing for thing in part if id(thing) not in closed]
