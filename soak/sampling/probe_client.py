"""Our end of the probe's Unix socket."""

from __future__ import annotations

import json
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from soak.process.deadline import DeadlineSocket
from soak.sampling.probe_answers import ProbeError, read_answer
from soak.sampling.probe_socket import ProbeSocket

ANSWER_MOST_BYTES: Final = 1 << 20
"""Longest answer that is read, bytes."""
_FULL_BACKLOG_PAUSE_S: Final = 0.02
"""Time between two tries to connect to a socket whose queue of connections is full, seconds."""
_PEER: Final = struct.Struct("3i")
"""``struct ucred``, see unix(7)."""


class ProbeClient:
    """Asks one process; connects when first asked and again after a failure. Shared by threads."""

    def __init__(self, directory: Path, pid: int) -> None:
        """``directory`` is SOAK_PROBE_DIR in the process's own mount namespace, ``pid`` is as we see it."""
        self._at = ProbeSocket(directory, pid)
        self._pid = pid
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._socket: DeadlineSocket | None = None

    @property
    def exists(self) -> bool:
        """Whether the process has a probe at all; one that we are connected to is not looked for."""
        return self._socket is not None or not self.missing

    @property
    def missing(self) -> str:
        """Why there is no probe to ask; empty where there is one."""
        try:
            self._at.check()
        except OSError as error:
            return f"{self._at.directory}: {error.strerror}" if error.strerror else str(error)
        except ValueError as error:
            return str(error)
        return ""

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        """Send one request and return its answer, as ``read_answer`` does.

        Raises ProbeError when there is no probe, no whole answer within ``timeout_s``, one that is not valid, or an
        error for an answer, and at once when ``close`` is called.
        """
        if not self._lock.acquire(timeout=timeout_s):
            raise ProbeError(f"probe: {op}: it is still busy with another question")
        try:
            line = self._exchange(json.dumps({"op": op, **arguments}).encode() + b"\n", timeout_s)
            return read_answer(op, line)
        except (OSError, ValueError, ProbeError) as error:
            self._drop()
            raise error if isinstance(error, ProbeError) else ProbeError(f"probe: {op}: {error}") from error
        finally:
            self._lock.release()

    def close(self) -> None:
        """Drop the connection for good; a question that waits for its answer fails. Idempotent."""
        self._closed.set()
        if (connection := self._socket) is not None:
            with suppress(OSError):  # it is not connected
                connection.shutdown(socket.SHUT_RDWR)
        if self._lock.acquire(blocking=False):
            self._drop()
            self._lock.release()

    def _exchange(self, request: bytes, timeout_s: float) -> bytes:
        connection = self._socket or DeadlineSocket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.begin(timeout_s)
        if self._socket is None:
            self._socket = connection
            self._connect(connection)
        if self._closed.is_set():
            raise ConnectionAbortedError("the process has ended")
        connection.sendall(request)
        answer = bytearray()
        while not answer.endswith(b"\n"):
            part = connection.recv(65536)
            if not part:
                raise ConnectionResetError("the process closed the connection")
            answer += part
            if len(answer) > ANSWER_MOST_BYTES:
                raise ValueError("the answer is too long")
        return bytes(answer)

    def _connect(self, connection: DeadlineSocket) -> None:
        """Connect to the process; raises OSError, also where another process listens."""
        while True:
            connection.setblocking(False)
            try:
                self._at.connect(connection)
                break
            except BlockingIOError:  # its queue is full
                if self._closed.wait(min(_FULL_BACKLOG_PAUSE_S, connection.left_s())):
                    raise ConnectionAbortedError("the process has ended") from None
        peer, _, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        if peer != self._pid:
            raise ConnectionRefusedError(f"pid {peer} answers for pid {self._pid}")

    def _drop(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
