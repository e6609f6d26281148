"""A stretch of time in which no other thread of the target runs Python and no collection begins.

Only then may all objects be listed. The lists of the collector have what C has not finished, as the tuple that
``tuple(...)`` fills from a generator: CPython up to 3.13 raises SystemError in the target where anything else refers to
that tuple when it goes on.
"""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from .pause import pause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

Found = TypeVar("Found")
SETTLE_S = 0.02
"""Time in which threads that already wait for the interpreter get it, seconds: they wait by the earlier interval."""


SELDOM = 10_000_000
"""Threshold of the youngest generation from which on a process never collects by itself: objects of half a GB and more
would have to be made and kept before."""


def collects_itself() -> bool:
    """Return whether the target collects cycles: its collector is on, and has a threshold that is met."""
    return gc.isenabled() and 0 < gc.get_threshold()[0] < SELDOM


def collect_as_target() -> int:
    """Collect all cycles and return how many objects were freed; 0 where the target collects none by itself.

    There cycles are kept, and a leak.
    """
    return gc.collect() if collects_itself() else 0


def can_be_alone() -> bool:
    """Return whether one thread can keep the others from running: without the interpreter lock none can."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


_to_undo: list[Callable[[], object]] = []
"""What gives the target back what is changed now, the latest last."""


@contextmanager
def _undone(undo: Callable[[], object]) -> Iterator[None]:
    """Undo at the end what is changed meanwhile, or in a child that the target forks before."""
    _to_undo.append(undo)
    try:
        yield
    finally:
        undo()
        if undo in _to_undo:
            _to_undo.remove(undo)


def _undo_in_child() -> None:
    """Undo what this thread would, which is not there: the child would never collect, and keep threads waiting."""
    while _to_undo:
        _to_undo.pop()()


os.register_at_fork(after_in_child=_undo_in_child)


@contextmanager
def alone(hold_s: float) -> Iterator[bool]:
    """Keep the interpreter for up to ``hold_s`` seconds, which is also how long a busy thread can keep it from us.

    The switch interval is what a thread waits before it asks for the interpreter. Yields whether the target collects
    cycles by itself. What refers to listed objects must be gone at the end: leave it to a function.
    """
    with _undone(partial(sys.setswitchinterval, sys.getswitchinterval())):
        sys.setswitchinterval(hold_s)
        pause(SETTLE_S)
        collects = collects_itself()
        with _undone(gc.enable if gc.isenabled() else gc.disable):
            gc.disable()
            yield collects


@contextmanager
def standstill(hold_s: float) -> Iterator[None]:
    """Be ``alone``; what is garbage is collected before, unless the target collects none by itself."""
    with alone(hold_s) as collects:
        if collects:
            gc.collect()
        yield


def count_objects() -> int:
    """Return how many objects the collector lists; the list is gone before another thread can run."""
    return sum(map(len, map(gc.get_objects, (None,))))


def resource_module() -> ModuleType | None:
    """Return Python's module ``resource``; None where it has none, never one of the target's with that name."""
    from importlib.machinery import BuiltinImporter, PathFinder
    from importlib.util import module_from_spec

    extensions = [entry for entry in sys.path if isinstance(entry, str) and entry.endswith("lib-dynload")]
    spec = BuiltinImporter.find_spec("resource") or PathFinder.find_spec("resource", extensions)
    if spec is None or spec.loader is None:
        return None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pauses_of_this_thread(resource: ModuleType) -> int:
    """Return how often this thread has waited for anything, as for the interpreter."""
    pauses: int = resource.getrusage(resource.RUSAGE_THREAD).ru_nvcsw
    return pauses


def undisturbed(work: Callable[[], Found]) -> tuple[Found, bool]:
    """Return what a work returns, and whether no other thread can have run Python meanwhile: False if not known."""
    resource = resource_module()
    if resource is None:
        return work(), False
    before = pauses_of_this_thread(resource)
    found = work()
    return found, pauses_of_this_thread(resource) == before
