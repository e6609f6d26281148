"""One WebSocket connection to a service: its upgrade, its messages and its end, whatever the service sends."""

from __future__ import annotations

import math
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import gevent
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    Pong,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.frame_protocol import CloseReason

from locustfiles.answers.bounds import AnswerTooLargeError

READ_BYTES: Final = 16 * 1024
"""Most bytes that are read from a connection at a time."""
HEAD_BYTES: Final = 16 * 1024
"""Bytes of the answer to an upgrade from which on it is too large, as in h11, the parser."""
MOST_FRAMES_PER_S: Final = 1000
"""Most frames that a connection receives in a second: each costs the client microseconds, also one without content."""
WELL_CLOSED: Final = (CloseReason.NORMAL_CLOSURE, CloseReason.NO_STATUS_RCVD)
"""Reasons by which a service closes a connection, or answers a close, without failure."""
LAST_WAIT_S: Final = 1.0
"""Longest wait for the service to end a connection after both close frames, seconds."""
SUBPROTOCOL: Final = "sec-websocket-protocol"
NO_LINGER: Final = struct.pack("ii", 0, 0)
"""SO_LINGER by which a close of the socket sends what is unsent."""


class EndedError(Exception):
    """The service refused a WebSocket or broke it off; ``kind`` is the kind of failure."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class WebSocket:
    """A WebSocket over a connection, of which nothing is kept that is received.

    ``on_message`` is called for each message that is received as a whole. A message has at most ``max_bytes``, as have
    all frames of a second together. Every method raises OSError, TimeoutError after ``timeout_s`` without room to send,
    AnswerTooLargeError, EndedError, and for an upgrade that is none whatever the parser does.
    """

    def __init__(
        self,
        connection: Any,
        max_bytes: int,
        timeout_s: float,
        now_s: Callable[[], float],
        on_message: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._now_s = now_s
        self._on_message = on_message
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._message_bytes = 0
        """Bytes so far of the message that is being received."""
        self._second = -math.inf
        self._second_bytes = self._second_frames = 0
        """What was received within that second."""
        self._is_taken = False
        """Whether the data that came with the upgrade was taken."""
        self.closed = False
        """Whether the service has closed it, or answered a close, without failure."""

    def open(self, host: str, target: str, headers: Mapping[str, str]) -> None:
        """Ask for the upgrade and wait for it, with no deadline of its own."""
        subprotocols = [
            one.strip()
            for name, value in headers.items()
            if name.lower() == SUBPROTOCOL
            for one in value.split(",")
        ]
        more = [
            (name.encode(), value.encode()) for name, value in headers.items() if name.lower() != SUBPROTOCOL
        ]
        request = Request(host=host, target=target, extra_headers=more, subprotocols=subprotocols)
        self._connection.sendall(self._protocol.send(request))
        received = 0
        while not self._is_accepted():
            data = self._read()
            received += len(data)
            if received > HEAD_BYTES:
                raise AnswerTooLargeError("the head", HEAD_BYTES)
            self._protocol.receive_data(data)

    def send(self, text: str) -> None:
        """Send a message."""
        self._send(TextMessage(data=text))

    def receive(self, wait_s: float) -> None:
        """Take the data that came with the upgrade, or wait for data, ``wait_s`` seconds at most, and take it."""
        data = b""
        if self._is_taken:
            with gevent.Timeout(wait_s, False):
                data = self._read()
        if data or not self._is_taken:
            self._take(data)

    def close(self, within_s: float) -> None:
        """Close it: send a close frame, and wait for that of the service and for the end of the connection.

        Raises TimeoutError after ``within_s``.
        """
        with gevent.Timeout(within_s, TimeoutError("no close frame in time")):
            if self._protocol.state is ConnectionState.OPEN:
                self._send(CloseConnection(code=CloseReason.NORMAL_CLOSURE))
            while not self.closed:
                self._take(self._read())
            with gevent.Timeout(LAST_WAIT_S, False), suppress(ConnectionError):
                self._connection.recv(1)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)

    def _is_accepted(self) -> bool:
        for event in self._protocol.events():
            if isinstance(event, RejectConnection):
                raise EndedError("refused", f"the upgrade was answered with status {event.status_code}")
            if isinstance(event, AcceptConnection):
                return True
        return False

    def _read(self) -> bytes:
        data: bytes = self._connection.recv(READ_BYTES)
        if not data:
            raise ConnectionResetError("the service ended the connection without a close frame")
        return data

    def _send(self, event: Event) -> None:
        with gevent.Timeout(self._timeout_s, TimeoutError("the service does not read")):
            self._connection.sendall(self._protocol.send(event))

    def _take(self, data: bytes) -> None:
        self._is_taken = True
        self._meter(len(data), 0)
        self._protocol.receive_data(data)
        ping: Ping | None = None
        for event in self._protocol.events():
            match event:
                case Message():
                    self._count(event)
                case Ping():
                    self._meter(0, 1)
                    ping = event  # the newest of several is enough
                case Pong():
                    self._meter(0, 1)
                case CloseConnection():
                    self._on_close(event)
        if ping is not None and self._protocol.state is ConnectionState.OPEN:
            self._send(ping.response())
        gevent.sleep(0)  # a socket that is always readable would starve the other greenlets

    def _count(self, part: Message[Any]) -> None:
        data = part.data if isinstance(part.data, bytes | bytearray) else part.data.encode()
        self._message_bytes += len(data)
        if self._message_bytes > self._max_bytes:
            raise AnswerTooLargeError("a message", self._max_bytes)
        self._meter(0, int(part.frame_finished))
        if part.message_finished:
            self._message_bytes = 0
            self._on_message()

    def _meter(self, size: int, frames: int) -> None:
        second = math.floor(self._now_s())
        if second != self._second:
            self._second, self._second_bytes, self._second_frames = second, 0, 0
        self._second_bytes += size
        self._second_frames += frames
        if self._second_bytes > self._max_bytes:
            raise AnswerTooLargeError("a second", self._max_bytes)
        if self._second_frames > MOST_FRAMES_PER_S:
            raise AnswerTooLargeError("a second", MOST_FRAMES_PER_S, "frames")

    def _on_close(self, event: CloseConnection) -> None:
        if self.closed:  # what follows a close frame counts for nothing
            return
        if self._protocol.state is ConnectionState.REMOTE_CLOSING:
            self._send(event.response())
        elif self._protocol.state is not ConnectionState.CLOSED:  # in which it answers our close frame
            raise EndedError("other", "the service sent what is no frame of a WebSocket")
        if event.code not in WELL_CLOSED:
            raise EndedError("reset", f"the service closed the connection with code {event.code}")
        self.closed = True
