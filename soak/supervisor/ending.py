"""How long a run may take to end: what it waits for then, and for how long after somebody asked for the end."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from threading import Thread
from typing import Final

from soak.contract.clock import RunClock
from soak.errors import CutShortError
from soak.process.child import Running, end_together

LOAD_S: Final = 4.0
"""Time from a request to stop until the load is killed, seconds: requests in flight may end meanwhile."""
NAMING_S: Final = 6.0
"""Time from a request to stop until the search for holders is given up, seconds."""
GRACE_S: Final = 2.0
"""Time that each process has at least from SIGTERM to SIGKILL, seconds, also when others have used up the time."""
REPORT_S: Final = 2.0
"""Part of the time that an arm has to stop which is left for the report after a request to stop, seconds: it takes 4 to
5 s for an hour of load, and all of it is to be done 15 s after the request where an arm has 10 s."""
LOOK_EVERY_S: Final = 0.05
REPEATED_S: Final = 0.2
"""Signals within this time of the first are one request, seconds: a lost terminal sends two."""


class StopRequestedError(CutShortError):
    """Somebody asked for the end: Ctrl-C, SIGTERM or a lost terminal."""


class StopRequest:
    """Whether somebody asked for the end: noted by a signal handler, read where it is safe to stop."""

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self.signal_name: str | None = None
        """Name of the first signal, such as SIGINT; None before it."""
        self.is_repeated = False
        """Whether it was asked for again: nothing is waited for any more, and no report is made."""
        self._monotonic_s = monotonic_s
        self._noted_s = 0.0

    def note(self, signal_name: str) -> None:
        """Note a signal. Takes no lock: one signal may interrupt the handler of another."""
        now_s = self._monotonic_s()
        if self.signal_name is None:
            self.signal_name, self._noted_s = signal_name, now_s
        elif now_s - self._noted_s > REPEATED_S:
            self.is_repeated = True

    @property
    def is_noted(self) -> bool:
        """Whether there was one."""
        return self.signal_name is not None

    @property
    def answer(self) -> str:
        """What follows, for people: nothing else is seen of it for some seconds."""
        return f"{self.signal_name}: everything is stopped, then the report is made; again: at once, without a report."


class Ending:
    """Ends what a run has started. Without a request to stop, each process has the time that its spec names."""

    def __init__(self, stop_request: StopRequest, clock: RunClock, sleep: Callable[[float], None]) -> None:
        self._stop_request = stop_request
        self._clock = clock
        self._sleep = sleep
        self._asked_s = math.inf
        """When the request to stop was seen, ``t_s``."""

    def stop(self, children: Sequence[Running], within_s: float | None = None) -> None:
        """Terminate processes at the same time and wait until they are gone, or stuck in the kernel.

        A process is killed after its ``stop_timeout_s``. After a request to stop that time begins with the request and
        is ``within_s`` at most, by default REPORT_S less than it is, but GRACE_S from SIGTERM at least; after a second
        request it is over.
        """
        began_s = self._clock.now_s()

        def is_late(child: Running, waited_s: float) -> bool:
            allowed_s = child.spec.stop_timeout_s
            budget_s = allowed_s - REPORT_S if within_s is None else min(within_s, allowed_s)
            return waited_s >= allowed_s or self._is_over(began_s + min(GRACE_S, allowed_s), budget_s)

        end_together(children, is_late, self._clock.now_s, self._sleep)

    def join(self, threads: Sequence[Thread], allowed_s: float, within_s: float = math.inf) -> None:
        """Wait for threads for ``allowed_s`` seconds at most, after a request to stop until ``within_s`` after it.

        Those that are not done then go on: they are daemons, and what they read is not written any more.
        """
        began_s = self._clock.now_s()
        while any(thread.is_alive() for thread in threads):
            if self._clock.now_s() - began_s >= allowed_s or self._is_over(began_s, within_s):
                return
            self._sleep(LOOK_EVERY_S)

    def left_s(self, allowed_s: float, within_s: float) -> float:
        """Return the seconds that a step may take from now, as ``join`` waits for it."""
        now_s = self._see_request()
        return 0.0 if self._is_over(now_s, within_s) else min(allowed_s, self._asked_s + within_s - now_s)

    def _is_over(self, not_before_s: float, within_s: float) -> bool:
        """Whether the ``within_s`` after a request to stop are used up, not before ``not_before_s`` (``t_s``)."""
        now_s = self._see_request()
        return self._stop_request.is_repeated or now_s >= max(self._asked_s + within_s, not_before_s)

    def _see_request(self) -> float:
        """Return ``t_s`` now; notice a request to stop."""
        now_s = self._clock.now_s()
        if self._stop_request.is_noted:
            self._asked_s = min(self._asked_s, now_s)
        return now_s
