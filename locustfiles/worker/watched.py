"""A connection of a user that the event loop watches for as long as it is open.

gevent's own sockets try to read before there is an answer, then start a watcher for it and stop that again: an
exception and two calls of the kernel for each request.
"""

from __future__ import annotations

from typing import Any, Final

import gevent

READABLE: Final = 1
"""The event of the loop that an answer, or the end of the connection, is there to be read."""


class WatchedConnection:
    """A plain connection; one greenlet at a time sends and reads. It has no time-out: the caller sets the deadline."""

    def __init__(self, connection: Any) -> None:
        """Take over a socket of gevent's."""
        connection.settimeout(0.0)
        self._connection = connection
        self.fileno = connection.fileno
        self._hub = gevent.get_hub()
        self._watcher: Any = self._hub.loop.io(connection.fileno(), READABLE)
        self._waiting: Any = None
        """The greenlet that waits for bytes."""
        self._asked = False
        """Whether nothing of the answer to what was sent last was read."""

    def sendall(self, message: bytes) -> None:
        """Send all of a message; raises OSError."""
        self._asked = True
        try:
            sent = self._connection.send(message)
        except BlockingIOError:
            sent = 0
        if sent < len(message):
            self._connection.settimeout(None)
            try:
                self._connection.sendall(memoryview(message)[sent:])
            finally:
                self._connection.settimeout(0.0)

    def recv(self, most: int) -> bytes:
        """Wait for bytes of the answer, and return them; none at the end of the connection. Raises OSError."""
        if self._asked:
            self._wait()
            self._asked = False
        while True:
            try:
                received: bytes = self._connection.recv(most)
            except BlockingIOError:
                self._wait()
            else:
                return received

    def close(self) -> None:
        """Close the connection; idempotent."""
        self._watcher.stop()
        self._watcher.close()
        self._connection.close()

    def _wait(self) -> None:
        if not self._watcher.active:
            self._watcher.start(self._on_readable)
        self._waiting = gevent.getcurrent()
        try:
            self._hub.switch()
        finally:
            self._waiting = None

    def _on_readable(self) -> None:
        if self._waiting is None:
            # bytes that nobody waits for: the loop would report them again at each turn
            self._watcher.stop()
        else:
            self._waiting.switch()
