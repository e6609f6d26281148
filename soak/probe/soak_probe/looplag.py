"""How late the event loop is: the delay of a callback scheduled from the probe's thread."""

from __future__ import annotations

import time
from itertools import chain
from typing import Any
from weakref import ref

from .creations import loops
from .tasks import loops_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


class Marker:
    """A callback that notes how long after its scheduling the loop called it, in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._scheduled_s = clock()
        self.delay_s: float | None = None

    def __call__(self) -> None:
        """Be called by the loop."""
        self.delay_s = self.waited_s()

    def waited_s(self) -> float:
        """Return the seconds since it was scheduled."""
        return self._clock() - self._scheduled_s


class LoopLag:
    """Keeps one marker in the running event loop; each reading schedules the next."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._loop: Callable[[], Any] = lambda: None
        self._marker: Marker | None = None

    def read_ms(self, tasks: Iterable[ref[Any]]) -> float | None:
        """Return the last marker's delay in milliseconds; while it waits, for how long it has.

        None without a running loop, which is one of ``tasks`` or one met, and at the first reading of a loop.
        """
        loop = self._loop()
        if loop is None or not loop.is_running():
            loop = running_loop(tasks)
            self._marker = None
            if loop is None:
                return None
            self._loop = ref(loop)
        if self._marker is None:
            delay_s = None
        elif self._marker.delay_s is None:
            return self._marker.waited_s() * 1e3
        else:
            delay_s = self._marker.delay_s
        self._marker = Marker(self._clock)
        try:
            loop.call_soon_threadsafe(self._marker)
        except RuntimeError:  # it was closed this moment
            self._marker = None
        return None if delay_s is None else delay_s * 1e3


def running_loop(tasks: Iterable[ref[Any]]) -> Any:
    """Return the first running event loop that one of the tasks belongs to, or that made one, or None."""
    return next((loop for loop in chain(loops_of(tasks), loops()) if loop.is_running()), None)
