"""A stretch of time in which no other thread of the target runs Python and no collection begins."""

from __future__ import annotations

import gc
import sys
import time
from contextlib import contextmanager
from typing import TypeVar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Found = TypeVar("Found")
SETTLE_S = 0.02
"""Time in which threads that already wait for the interpreter get it, seconds: they wait by the earlier interval."""


@contextmanager
def standstill(hold_s: float) -> Iterator[None]:
    """Keep the interpreter for up to ``hold_s`` seconds, which is also how long a busy thread can keep it from us.

    The switch interval is what a thread waits before it asks for the interpreter. What is garbage is collected before,
    unless the target has switched the collector off.
    """
    interval_s, collects = sys.getswitchinterval(), gc.isenabled()
    try:
        sys.setswitchinterval(hold_s)
        gc.disable()
        time.sleep(SETTLE_S)
        if collects:
            gc.collect()
        yield
    finally:
        if collects:
            gc.enable()
        sys.setswitchinterval(interval_s)


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
