"""Free ports for the processes of a run."""

from __future__ import annotations

import errno
import socket
from urllib.parse import urlsplit

import psutil

from soak.contract.protocol import LOOPBACK
from soak.errors import UsageError


def check_port(name: str, url: str) -> None:
    """Raise UsageError when somebody has taken the port of a process since the plan was made; "" has none.

    Else a stranger would answer for it, and be loaded and judged.
    """
    address = urlsplit(url)
    if not address.port or not _is_taken(address.hostname or LOOPBACK, address.port):
        return
    by = _listener(address.port)
    raise UsageError(
        f"{name}: port {address.port} was free when the run was planned, and {by} listens there now. "
        "Stop it, or run again: a port that the profile leaves out is chosen anew."
    )


def _is_taken(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as in ``Ports.take``
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def _listener(port: int) -> str:
    """Return who listens on a port, as far as that is ours to see."""
    try:
        pids = [
            one.pid for one in psutil.net_connections("tcp") if one.laddr and one.laddr[1] == port and one.pid
        ]
        return f"pid {pids[0]} ({psutil.Process(pids[0]).name()})" if pids else "another process"
    except psutil.Error:
        return "another process"


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
