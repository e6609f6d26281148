"""A time limit that many requests have in common."""

from __future__ import annotations

import asyncio


class Deadlines:
    """Ends what takes longer than ``timeout_s``. Make it inside a running event loop.

    As all have the same time, the oldest is due first: one timer of the event loop is enough, where a timer for each
    takes a twentieth of a request.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._due: dict[asyncio.Timeout, float] = {}
        """When each is due, the oldest first."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> asyncio.Timeout:
        """Return a time-out to be entered at once, which raises TimeoutError; give it to ``end`` afterwards."""
        timeout = asyncio.timeout(None)
        due = self._due[timeout] = self._loop.time() + self._timeout_s
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._expire)
        return timeout

    def end(self, timeout: asyncio.Timeout) -> None:
        """Forget a time-out, whether it came or not."""
        self._due.pop(timeout, None)

    def _expire(self) -> None:
        self._timer = None
        now = self._loop.time()
        for timeout, due in list(self._due.items()):
            if due > now:
                self._timer = self._loop.call_at(due, self._expire)
                break
            self.end(timeout)
            timeout.reschedule(now)
