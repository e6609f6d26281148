"""A server of metrics whose answers follow a script: whole answers as they go over the wire."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

START: Final = 1.8e9
"""When the process was started that :func:`exposition` is of."""


def exposition(rss: float = 50e6, *, start: float = START, cpu: float = 1.5, more: str = "") -> bytes:
    """Return what prometheus_client exports of a process."""
    lines = [
        "# HELP process_resident_memory_bytes Resident memory size in bytes.",
        "# TYPE process_resident_memory_bytes gauge",
        f"process_resident_memory_bytes {rss!r}",
        "# TYPE process_start_time_seconds gauge",
        f"process_start_time_seconds {start!r}",
        "# TYPE process_cpu_seconds_total counter",
        f"process_cpu_seconds_total {cpu!r}",
        "process_open_fds 9.0",
        "process_max_fds 1024.0",
        *(f'python_gc_objects_collected_total{{generation="{n}"}} {n + 1}.0' for n in range(3)),
        *(f'python_gc_objects_uncollectable_total{{generation="{n}"}} 0.0' for n in range(3)),
        *(f'python_gc_collections_total{{generation="{n}"}} {30 - 10 * n}.0' for n in range(3)),
    ]
    return ("\n".join(lines) + "\n" + more).encode()


def answer(body: bytes, status: str = "200 OK", head: str = "") -> bytes:
    """Return a whole answer."""
    return f"HTTP/1.1 {status}\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


class MetricsServer:
    """Answers each connection by what ``reply`` returns for the head of its request; a context manager."""

    def __init__(self, reply: Callable[[str], bytes]) -> None:
        self._reply = reply
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.heads: list[str] = []
        """The heads of the requests, in order."""
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(5)
                head = b""
                while b"\r\n\r\n" not in head and (piece := connection.recv(4096)):
                    head += piece
                if head:
                    self.heads.append(head.decode())
                    try:
                        connection.sendall(self._reply(self.heads[-1]))
                    except OSError:
                        continue  # the client had enough
