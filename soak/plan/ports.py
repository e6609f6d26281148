"""Free ports for the processes of a run."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from soak.contract.protocol import LOOPBACK
from soak.errors import UsageError
from soak.process.listeners import listener_at

UNPRIVILEGED_FROM: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
"""File with the first port that needs no root."""


def check_port(name: str, url: str) -> None:
    """Raise UsageError when somebody has taken the port of a process since the plan was made; "" has none.

    Else a stranger would answer for it, and be loaded and judged.
    """
    address = urlsplit(url)
    host, port = address.hostname or LOOPBACK, address.port or 0
    try:
        _bind(host, port)
    except OSError as error:
        if not _is_taken(error, host, port):
            return
    else:
        return
    by = listener_at(host, port) or "another process"
    raise UsageError(
        f"{name}: port {port} was free when the run was planned, and {by} listens there now. "
        "Stop it, or run again: a port that the profile leaves out is chosen anew."
    )


class Ports:
    """Hands out free ports, none twice."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self, wanted: int | None, key: str, host: str = LOOPBACK, *, by_engine: bool = False) -> int:
        """Return the wanted port, or a free one of that address; raises UsageError when it cannot be used.

        ``key`` names the setting of the port in the message. ``by_engine``: podman or docker binds it, which may have
        rights that we lack.
        """
        while True:
            try:
                port = _bind(host, wanted or 0)
            except OSError as error:
                is_taken = _is_taken(error, host, wanted or 0)
                if wanted is None or is_taken or not (by_engine and error.errno == errno.EACCES):
                    raise UsageError(_why_not(error, wanted, key, host, is_taken=is_taken)) from error
                port = wanted
            if port not in self._taken:
                self._taken.add(port)
                return port
            if wanted:
                raise UsageError(f"Port {wanted} ({key}) is given twice.")


def _bind(host: str, port: int) -> int:
    """Return the port, or a free one for 0, which could be bound just now; raises OSError where it cannot be."""
    with socket.socket() as probe:
        # As servers do: a port in TIME_WAIT from an earlier run is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        bound: int = probe.getsockname()[1]
        return bound


def _is_taken(error: OSError, host: str, port: int) -> bool:
    """Whether a port could not be bound because somebody has it; who may not bind it is told nothing by that."""
    return error.errno == errno.EADDRINUSE or (error.errno == errno.EACCES and bool(listener_at(host, port)))


def _why_not(error: OSError, wanted: int | None, key: str, host: str, *, is_taken: bool) -> str:
    """Return why a port cannot be used, with the fix."""
    if error.errno == errno.EADDRNOTAVAIL:
        return f"traffic.bind_host: {host} is not an address of this machine; see `ip address`."
    port = "A free port" if wanted is None else f"Port {wanted}"
    why, fix = error.strerror, "Give another one"
    if is_taken:
        why, fix = os.strerror(errno.EADDRINUSE), "Stop the process that listens there"
    elif error.errno == errno.EACCES and (wanted or 0) < (first := _first_unprivileged()):
        why = f"ports below {first} need root (net.ipv4.ip_unprivileged_port_start)"
        fix = f"Give one from {first} on"
    return f"{port} ({key}) cannot be used: {why}. {fix}, or leave the key out to use a free port."


def _first_unprivileged() -> int:
    """Return the first port that needs no root; 0 where that is not known."""
    try:
        return int(UNPRIVILEGED_FROM.read_text())
    except (OSError, ValueError):
        return 0
