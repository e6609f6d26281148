"""A target that binds the socket of its probe itself and answers what a test wants."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from soak.contract import PROBE_COLUMNS

SAMPLE: Final[dict[str, Any]] = {
    "ok": True,
    **{column.name: None for column in PROBE_COLUMNS},
    "live_blocks": 1000,
    "gauges": {},
    "gauge_errors": [],
    "problems": {},
}
"""The answer of a probe that can read next to nothing."""
Behave = Callable[[socket.socket, dict[str, Any]], None]


def line(answer: object) -> bytes:
    """Return an answer as it goes through the socket."""
    return json.dumps(answer).encode() + b"\n"


class RogueProbe:
    """Listens as the probe of this process; ``behave`` has the connection and each request, in a thread."""

    def __init__(self, directory: Path, behave: Behave, pid: int | None = None) -> None:
        self._behave = behave
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(directory / f"{pid or os.getpid()}.sock"))
        self._listener.listen()
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        """Let go of every connection, which ends a behaviour that sends without end."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join()
        self._listener.close()
        for one in self._connections:
            with suppress(OSError):  # it is over
                one.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def _start(self, step: Callable[..., None], *arguments: object) -> None:
        self._threads.append(threading.Thread(target=step, args=arguments))
        self._threads[-1].start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                self._connections.append(self._listener.accept()[0])
                self._start(self._serve, self._connections[-1])

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection, connection.makefile("rb") as requests:
            for request in requests:
                self._behave(connection, json.loads(request))
