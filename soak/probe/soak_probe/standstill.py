"""A stretch of time in which no other thread of the target runs Python and no collection begins.

Only then may all objects be listed. The lists of the collector have what C has not finished, as the tuple that
``tuple(...)`` fills from a generator: CPython up to 3.13 raises SystemError in the target where anything else refers to
that tuple when it goes on.
"""

from __future__ import annotations

import gc
import sys
from _signal import sigtimedwait  # type: ignore[import-not-found]
from contextlib import contextmanager
from typing import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Found = TypeVar("Found")
SETTLE_S = 0.02
"""Time in which threads that already wait for the interpreter get it, seconds: they wait by the earlier interval."""


@contextmanager
def alone(hold_s: float) -> Iterator[bool]:
    """Keep the interpreter for up to ``hold_s`` seconds, which is also how long a busy thread can keep it from us.

    The switch interval is what a thread waits before it asks for the interpreter. Yields whether the target has its
    collector switched on. What refers to listed objects must be gone at the end: leave it to a function.
    """
    interval_s = sys.getswitchinterval()
    try:
        sys.setswitchinterval(hold_s)
        # a wait for no signal: time.sleep may be that of gevent, which makes an event loop here
        sigtimedwait((), SETTLE_S)
        collects = gc.isenabled()
        try:
            gc.disable()
            yield collects
        finally:
            if collects:
                gc.enable()
    finally:
        sys.setswitchinterval(interval_s)


@contextmanager
def standstill(hold_s: float) -> Iterator[None]:
    """Be ``alone``; what is garbage is collected before, unless the target has switched the collector off."""
    with alone(hold_s) as collects:
        if collects:
            gc.collect()
        yield


def count_objects() -> int:
    """Return how many objects the collector lists; the list is gone before another thread can run."""
    return sum(map(len, map(gc.get_objects, (None,))))


def pauses_of_this_thread() -> int:
    """Return how often this thread has waited for anything, as for the interpreter; 0 where that is not known."""
    try:
        from resource import RUSAGE_THREAD, getrusage
    except ImportError:
        return 0
    return getrusage(RUSAGE_THREAD).ru_nvcsw


def undisturbed(work: Callable[[], Found]) -> tuple[Found, bool]:
    """Return what a work returns, and whether no other thread can have run Python meanwhile."""
    before = pauses_of_this_thread()
    found = work()
    return found, pauses_of_this_thread() == before
