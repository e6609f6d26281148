"""Counts the asyncio tasks of the process, without importing asyncio and without keeping any of them alive.

``asyncio.all_tasks()`` leaves out finished tasks, which are the ones that leak. Up to Python 3.13 asyncio registers
every task in a WeakSet until it is freed: ``_all_tasks`` (3.9 to 3.11), ``_scheduled_tasks`` (3.12, 3.13). Since 3.14
each thread has a C list of the pending ones alone, which only a walk can count; only a walk over all objects finds the
finished ones.

No task is held here while another thread may run: were it dropped meanwhile, its end, and what it then frees, would be
in this thread. So they are passed from one function of C to the next. Only the walk, for an idle target, holds what it
lists for as long as C looks at it.
"""

from __future__ import annotations

import gc
import sys
import time
from functools import partial
from itertools import compress, islice
from operator import is_not, methodcaller
from typing import Any, NamedTuple
from weakref import ref

from . import creations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

LOOK_AT = 1_000
COUNT_UP_TO = 100_000
STRIDES = (1, 3, 5, 7, 11, 17, 23, 31, 41, 53, 67, 83, 101)
"""Primes: the set is ordered by address, and a stride that shares a factor with a pattern there sees one side of it."""

ATTEMPTS = 3

COST_SHARE = 0.002
"""Share of the time for which counting pending tasks may hold the interpreter: what reading 100,000 tasks each second
costs on Python 3.13, 1.5 ms, and a little more."""

_dereferenced = methodcaller("__call__")
_is_alive = partial(is_not, None)
_is_done = methodcaller("done")
_loop_of = methodcaller("get_loop")


class Tasks(NamedTuple):
    """The tasks of a process."""

    alive: int | None = None
    """All of them, finished ones included unless ``pending_only``; None where that cannot be had."""
    seen: Sequence[ref[Any]] = ()
    """References to all that may be finished, or to an even share of them; none of those that are all pending."""
    all_seen: bool = True
    pending_only: bool = False


class Pending:
    """Counts the pending tasks of Python 3.14 and later, which asyncio can only list.

    That takes 0.03 to 0.15 microseconds a task, in which the interpreter stands still. What took long is repeated late,
    by COST_SHARE; a reading until then is a gap.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cost_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._clock = clock
        self._cost_clock = cost_clock
        self._not_before_s = float("-inf")

    def count(self, list_tasks: Callable[[Any], set[Any]]) -> Tasks:
        """Return how many there are; nothing where no loop is known yet."""
        loops = creations.loops()
        now_s = self._clock()
        if not loops or len(loops) > creations.MOST_LOOPS or now_s < self._not_before_s:
            return Tasks()
        began_s = self._cost_clock()
        alive = sum(map(len, map(list_tasks, loops)))
        self._not_before_s = now_s + (self._cost_clock() - began_s) / COST_SHARE
        return Tasks(alive, all_seen=False, pending_only=True)


def registry() -> tuple[str, set[ref[Any]]] | None:
    """Return the path and the set of references in which asyncio registers its tasks; None without either."""
    asyncio_tasks = sys.modules.get("asyncio.tasks")
    for name in ("_scheduled_tasks", "_all_tasks"):
        registered = _name_in(asyncio_tasks, name)
        if registered is not None:
            return f"asyncio.tasks.{name}.data", registered.data
    return None


def find(exact: bool, pending: Pending | None = None) -> Tasks:
    """Return the tasks of this process: nothing without asyncio, and on 3.14 those of ``pending`` unless ``exact``.

    ``exact`` is for an idle target: all references at any size, and on 3.14 a walk over all objects. Otherwise
    ``seen`` is a share of about ``LOOK_AT``, and empty where more than ``COUNT_UP_TO`` are alive.
    """
    asyncio_tasks = sys.modules.get("asyncio.tasks")
    if asyncio_tasks is None:
        return Tasks()
    list_tasks = _name_in(asyncio_tasks, "_c_all_tasks")
    if list_tasks is not None:
        if exact:
            return _walk(_name_in(asyncio_tasks, "Task"))
        return Tasks() if pending is None else pending.count(list_tasks)
    # A task that has not yet yielded for the first time is not in the WeakSet but in the plain set of eager tasks.
    eager = len(_name_in(asyncio_tasks, "_eager_tasks") or ())
    known = registry()
    if known is None:
        return Tasks()
    _, registered = known
    seen = share(registered, exact=exact)
    return Tasks(len(registered) + eager, seen, exact or len(registered) <= LOOK_AT)


def _name_in(module: Any, name: str) -> Any:
    """Return what a module has by a name, None without it; one that is loaded when it is first used is not loaded."""
    try:
        return object.__getattribute__(module, name)
    except AttributeError:
        return None


def share(references: Collection[ref[Any]], *, exact: bool) -> list[ref[Any]]:
    """Return all of ``references``, or an even share of about ``LOOK_AT``; none of more than ``COUNT_UP_TO``.

    It is copied by a single operation of C, because the event loop changes the set meanwhile.
    """
    size = len(references)
    if size > COUNT_UP_TO and not exact:
        return []
    stride = 1 if exact else next(stride for stride in STRIDES if stride * LOOK_AT >= size)
    for _ in range(ATTEMPTS):
        try:
            return list(islice(references, None, None, stride))
        except RuntimeError:  # it was changed all the same
            continue
    return []


def finished(tasks: Tasks) -> int | None:
    """Return how many of the tasks alive are done: a count where all were seen, else an estimate from those seen.

    The estimate from 1,000 of n has a standard error of at most 0.016 n (a share of k draws: sqrt(p (1 - p) / k)).
    None where there is nothing to tell it from.
    """
    if tasks.alive is None or tasks.pending_only:
        return None
    states: list[bool] = list(map(_is_done, _alive(tasks.seen)))
    if tasks.all_seen:
        return sum(states)
    return round(tasks.alive * sum(states) / len(states)) if states else None


def loops_of(references: Iterable[ref[Any]]) -> Iterator[Any]:
    """Return an iterator over the event loops of the tasks that are alive."""
    return map(_loop_of, _alive(references))


def _alive(references: Iterable[ref[Any]]) -> Iterator[Any]:
    return filter(_is_alive, map(_dereferenced, references))


def _walk(task_class: type) -> Tasks:
    found = _references(task_class)
    for loop in loops_of(found[:LOOK_AT]):  # a probe that came later than the loops has not seen them at work
        creations.note_loop(loop)
    return Tasks(len(found), found)


def _references(task_class: type) -> list[ref[Any]]:
    """Return references to all tasks; the list of all objects is gone as soon as C is through with it."""
    classes = [task_class]
    for cls in classes:
        classes += type.__subclasses__(cls)
    known = frozenset(map(id, classes)).__contains__
    things = gc.get_objects()
    return list(map(ref, compress(things, map(known, map(id, map(type, things))))))
