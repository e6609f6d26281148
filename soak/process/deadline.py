"""One deadline for a whole exchange with a peer, whatever it sends in the meantime and however slowly."""

from __future__ import annotations

import http.client
import socket
import time
from typing import Any


class DeadlineSocket(socket.socket):
    """A socket whose connects, writes and reads since ``begin`` are over by one deadline.

    A time-out of the socket alone begins anew with each byte. Raises TimeoutError once the deadline has passed; before
    the first ``begin`` it has.
    """

    _by_s = 0.0

    def begin(self, timeout_s: float) -> None:
        """Begin an exchange, which may take so long."""
        self._by_s = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Return what is left of the exchange, seconds; raises TimeoutError when that is nothing."""
        left_s = self._by_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        return left_s

    def sendall(self, data: Any, flags: int = 0, /) -> None:  # noqa: D102 - as socket.socket
        self.settimeout(self.left_s())
        super().sendall(data, flags)

    def recv(self, size: int, flags: int = 0, /) -> bytes:  # noqa: D102
        self.settimeout(self.left_s())
        return super().recv(size, flags)

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:  # noqa: D102
        self.settimeout(self.left_s())
        return super().recv_into(buffer, nbytes, flags)


def connected(host: str, port: int, timeout_s: float) -> http.client.HTTPConnection:
    """Connect, which may take so long, and begin an exchange, which may again; raises as ``HTTPConnection.connect``."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    connection.connect()
    exchange = DeadlineSocket(fileno=connection.sock.detach())
    connection.sock = exchange
    exchange.begin(timeout_s)
    return connection
