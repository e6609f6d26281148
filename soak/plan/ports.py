"""Free ports for the processes of a run."""

from __future__ import annotations

import errno
import socket

from soak.contract.protocol import LOOPBACK
from soak.errors import UsageError


class Ports:
    """Hands out free ports, none twice."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, wanted: int | None, key: str, host: str = LOOPBACK) -> int:
        """Return the wanted port, or a free one of that address; raises UsageError when it cannot be used.

        ``key`` names the setting of the port in the message.
        """
        while True:
            with socket.socket() as probe:
                # As servers do: a port in TIME_WAIT from an earlier run is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((host, wanted or 0))
                except OSError as error:
                    if error.errno == errno.EADDRNOTAVAIL:
                        raise UsageError(
                            f"traffic.bind_host: {host} is not an address of this machine; see `ip address`."
                        ) from error
                    raise UsageError(
                        f"Port {wanted} ({key}) cannot be used: {error.strerror}. "
                        "Stop the process that listens there, or leave the key out to use a free port."
                    ) from error
                port: int = probe.getsockname()[1]
            if port not in self._taken:
                self._taken.add(port)
                return port
            if wanted:
                raise UsageError(f"Port {wanted} ({key}) is given twice.")
