"""Free ports for the servers of tests that run side by side."""

from __future__ import annotations

import os
import socket
from itertools import count
from typing import Final

FIRST: Final = 10_000
"""The ports from here to LAST lie below those that Linux gives to outgoing connections."""
LAST: Final = 32_000
BLOCK: Final = 1000
"""Ports of one worker of pytest-xdist: no other worker hands them out."""
_turns = count(os.getppid())


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of ``host`` on which nobody listens; each is handed out once in 1,000 calls.

    A port that the kernel chooses is free for the kernel to choose again, for a test of another worker.
    """
    block = BLOCK * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = FIRST + block % (LAST - FIRST) + next(_turns) % BLOCK
        with socket.socket() as reserved:
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                reserved.bind((host, port))
            except OSError:
                continue
            return port
