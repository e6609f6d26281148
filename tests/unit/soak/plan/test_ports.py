from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from soak.errors import UsageError
from soak.plan.ports import Ports, check_port


@pytest.fixture
def stranger() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_a_stranger_took_after_the_plan_is_named_with_its_process(stranger: int) -> None:
    """Else the stranger would answer for the arm, and be loaded and judged."""
    with pytest.raises(
        UsageError, match=rf"new: port {stranger} was free .* pid {os.getpid()} \(.*listens there"
    ):
        check_port("new", f"http://127.0.0.1:{stranger}")


def test_a_free_port_is_nobodys_fault() -> None:
    """Also one on which an earlier server listened, and a process without a port."""
    port = Ports().take(None, "arms.new.port")
    check_port("new", f"http://127.0.0.1:{port}")
    check_port("judge", "")


def test_no_port_is_handed_out_twice(stranger: int) -> None:
    """Nor one that somebody has: the message names the key."""
    ports = Ports()
    port = ports.take(None, "stubs.port")
    with pytest.raises(UsageError, match=rf"Port {port} \(arms.new.port\) is given twice"):
        ports.take(port, "arms.new.port")
    with pytest.raises(UsageError, match=rf"Port {stranger} \(arms.new.port\) cannot be used"):
        ports.take(stranger, "arms.new.port")
