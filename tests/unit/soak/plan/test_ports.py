from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak.errors import UsageError
from soak.plan import ports as module
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


@pytest.fixture
def unprivileged(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which we may bind ports from 60000 on."""
    bind = module._bind

    def refuse(host: str, port: int) -> int:
        if 0 < port < 60000:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        return bind(host, port)

    monkeypatch.setattr(module, "_bind", refuse)
    monkeypatch.setattr(module, "UNPRIVILEGED_FROM", tmp_path / "start")
    (tmp_path / "start").write_text("60000\n")


@pytest.mark.usefixtures("unprivileged")
def test_a_port_that_needs_root_is_no_strangers_fault() -> None:
    """The message has the first port that does not."""
    with pytest.raises(
        UsageError,
        match=r"Port 80 \(arms.new.port\) cannot be used: ports below 60000 need root .*from 60000 on",
    ):
        Ports().take(80, "arms.new.port")


@pytest.mark.usefixtures("unprivileged")
def test_a_port_that_an_engine_binds_needs_no_right_of_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine may be root's; it is handed out once, and where somebody listens it is taken."""
    monkeypatch.setattr(module, "listener_at", lambda _host, port: "pid 7 (nginx)" if port == 443 else "")
    ports = Ports()
    assert ports.take(80, "arms.new.port", by_engine=True) == 80
    check_port("new", "http://127.0.0.1:80")
    with pytest.raises(UsageError, match=r"Port 80 \(arms.old.port\) is given twice"):
        ports.take(80, "arms.old.port", by_engine=True)
    with pytest.raises(UsageError, match=r"Port 443 .*already in use. Stop the process that listens there"):
        ports.take(443, "arms.new.port", by_engine=True)
    with pytest.raises(UsageError, match=r"port 443 was free .* pid 7 \(nginx\) listens there now"):
        check_port("new", "http://127.0.0.1:443")


@pytest.mark.usefixtures("unprivileged")
def test_a_port_that_may_not_be_bound_for_another_reason_is_not_explained_by_its_number(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As by SELinux."""
    monkeypatch.setattr(module, "UNPRIVILEGED_FROM", tmp_path / "none")
    with pytest.raises(UsageError, match=r"cannot be used: Permission denied. Give another one"):
        Ports().take(8000, "arms.new.port")
