"""Our end of the probe's Unix socket."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import Any

from soak.errors import SoakError

_ANSWER_CAP_BYTES = 1 << 20


class ProbeError(SoakError):
    """The probe did not answer, or could not do what it was asked."""


class ProbeClient:
    """Asks one process; connects when first asked and again after a failure. Shared by threads."""

    def __init__(self, directory: Path, pid: int) -> None:
        self._path = directory / f"{pid}.sock"
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None

    @property
    def exists(self) -> bool:
        """Whether the process has a probe at all."""
        return self._path.exists()

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        """Send one request and return its answer.

        Raises ProbeError when there is no probe, no answer within ``timeout_s``, or an error for an answer.
        """
        if not self._lock.acquire(timeout=timeout_s):
            raise ProbeError(f"probe: {op}: it is still busy with another question")
        try:
            answer = json.loads(self._exchange(json.dumps({"op": op, **arguments}), timeout_s))
        except (OSError, ValueError) as error:
            self._close()
            raise ProbeError(f"probe: {op}: {error}") from error
        finally:
            self._lock.release()
        if not isinstance(answer, dict) or not answer.get("ok"):
            raise ProbeError(f"probe: {op}: {answer.get('error') if isinstance(answer, dict) else answer}")
        return answer

    def close(self) -> None:
        """Drop the connection. Idempotent."""
        with self._lock:
            self._close()

    def _exchange(self, request: str, timeout_s: float) -> bytes:
        if self._socket is None:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            try:
                connection.settimeout(timeout_s)
                connection.connect(str(self._path))
            except OSError:
                connection.close()
                raise
            self._socket = connection
        self._socket.settimeout(timeout_s)
        self._socket.sendall(request.encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            part = self._socket.recv(65536)
            if not part:
                raise ConnectionResetError("the process closed the connection")
            answer += part
            if len(answer) > _ANSWER_CAP_BYTES:
                raise ValueError("the answer is too long")
        return answer

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
