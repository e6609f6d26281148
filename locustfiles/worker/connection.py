"""A connection to a service for one request alone, for what Locust's client cannot send."""

from __future__ import annotations

import socket
import ssl
import struct
from typing import Any, Final
from urllib.parse import SplitResult

import gevent.socket
from gevent.ssl import SSLContext

SOCKETS: Final[Any] = gevent.socket
"""The sockets that switch between greenlets, also where the standard library is not patched."""
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER by which a close resets the connection, and the kernel drops what is left unread or unsent."""


def connect(url: SplitResult, within_s: float, receive_buffer_bytes: int | None = None) -> Any:
    """Return a connection to the first address of the service that takes one; closing it resets it.

    Each address but the last may take an equal share of ``within_s``, and the last what the caller allows. No
    certificate is checked, as by Locust's client. Raises OSError, that of the last address.
    """
    secure = url.scheme == "https"
    host = url.hostname or ""
    infos = SOCKETS.getaddrinfo(host, url.port or (443 if secure else 80), type=socket.SOCK_STREAM)
    for left, (family, kind, protocol, _, address) in zip(reversed(range(len(infos))), infos, strict=True):
        connection = SOCKETS.socket(family, kind, protocol)
        try:
            if receive_buffer_bytes is not None:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.settimeout(within_s / len(infos) if left else None)
            connection.connect(address)
            connection.settimeout(None)
            return _secured(connection, host) if secure else connection
        except BaseException as error:  # a time-out of gevent is no Exception
            connection.close()
            if not (left and isinstance(error, OSError)):
                raise
    raise OSError(f"{host} has no address")


def _secured(connection: Any, host: str) -> Any:
    context = SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(connection, server_hostname=host)
