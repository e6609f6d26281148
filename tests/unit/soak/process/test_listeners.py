"""Who listens at a port: planted tables, and real sockets of this process and of one below it."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import pytest

from soak.process import listeners
from soak.process.listeners import (
    Listener,
    Serving,
    chosen,
    is_listening,
    listener_at,
    parse_listeners,
    sockets_of,
    who_serves,
)

HERE = "127.0.0.1"
LISTENING = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: {address}:1F40 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0
"""


@pytest.mark.parametrize(
    ("address", "state", "at_all", "from_outside"),
    [
        ("00000000", "0A", True, True),
        ("0100007F", "0A", True, False),
        ("0" * 24 + "01000000", "0A", True, False),
        ("0" * 32, "0A", True, True),
        ("0000000000000000FFFF00000100007F", "0A", True, False),
        ("00000000", "01", False, False),
    ],
)
def test_a_port_that_listens_is_told_from_one_that_is_connected(
    address: str,
    state: str,
    at_all: bool,
    from_outside: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And one at loopback, which nobody outside of the container reaches, from one at all addresses."""
    (tmp_path / "7" / "net").mkdir(parents=True)
    (tmp_path / "7" / "net" / "tcp").write_text(LISTENING.format(address=address, state=state))
    monkeypatch.setattr(listeners, "PROC", tmp_path)
    assert is_listening(7, 8000) == at_all
    assert is_listening(7, 8000, from_outside=True) == from_outside
    assert not is_listening(7, 8001)


def test_a_listening_socket_of_a_process_is_found() -> None:
    with socket.create_server((HERE, 0)) as server:
        port = server.getsockname()[1]
        assert is_listening(os.getpid(), port)
        assert not is_listening(os.getpid(), port, from_outside=True)
    assert not is_listening(2**30, port)


def test_a_line_of_the_table_is_read_whole() -> None:
    """Address, port, user and inode; a mapped address is the one that it maps."""
    text = LISTENING.format(address="0000000000000000FFFF00000100007F", state="0A")
    assert list(parse_listeners(text)) == [Listener(IPv4Address(HERE), 8000, 0, 1)]


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server((HERE, 0)) as server:
        yield server


def test_a_process_serves_where_it_has_the_socket_that_listens(server: socket.socket) -> None:
    """Else somebody else does, and who it is has a name."""
    port = server.getsockname()[1]
    assert who_serves(HERE, port, lambda: [os.getpid()]) is Serving.OWN
    assert who_serves(HERE, port, lambda: [2**30]) is Serving.OTHER
    assert listener_at(HERE, port).startswith(f"pid {os.getpid()} (")


def test_the_processes_are_asked_for_once_the_listeners_are_read(server: socket.socket) -> None:
    """A worker that has begun to listen meanwhile would be a stranger among those of before."""

    def close() -> list[int]:
        server.close()
        return [os.getpid()]

    assert who_serves(HERE, server.getsockname()[1], close) is Serving.OTHER


def test_a_socket_that_several_processes_have_is_that_of_each(server: socket.socket) -> None:
    """As of a server and its workers, whichever of them is asked about."""
    woken, wake = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(wake)
        os.read(woken, 1)
        os._exit(0)
    try:
        port = server.getsockname()[1]
        assert who_serves(HERE, port, lambda: [worker]) is Serving.OWN
        assert who_serves(HERE, port, lambda: [os.getpid()]) is Serving.OWN
    finally:
        os.close(wake)
        os.close(woken)
        os.waitpid(worker, 0)


def test_of_sockets_that_share_a_port_one_is_enough() -> None:
    """SO_REUSEPORT: each worker has a socket of its own."""
    with socket.create_server((HERE, 0), reuse_port=True) as one:
        port = one.getsockname()[1]
        with socket.create_server((HERE, port), reuse_port=True):
            assert len(chosen(listeners.listeners() or [], HERE, port)) == 2
            assert who_serves(HERE, port, lambda: [os.getpid()]) is Serving.OWN


@pytest.mark.parametrize("dual", [True, False])
def test_a_socket_of_all_addresses_serves_this_one(*, dual: bool) -> None:
    """One of IPv6 takes connections of IPv4, too, where nothing else does."""
    kind = socket.AF_INET6 if dual else socket.AF_INET
    try:
        server = socket.create_server(("", 0), family=kind, dualstack_ipv6=dual)
    except (OSError, ValueError):
        pytest.skip("no IPv6 here")
    with server:
        assert who_serves(HERE, server.getsockname()[1], lambda: [os.getpid()]) is Serving.OWN


def test_the_kernel_chooses_the_most_particular_address() -> None:
    """A server of all addresses is not asked where another one has this address; nor is one of another address."""
    other = Listener(IPv4Address("127.0.0.2"), 8000, 0, 1)
    mine = Listener(IPv4Address(HERE), 8000, 0, 2)
    all_4, all_6 = Listener(IPv4Address(0), 8000, 0, 3), Listener(IPv6Address(0), 8000, 0, 4)
    assert chosen([other, all_6, all_4, mine], HERE, 8000) == [mine]
    assert chosen([other, all_6, all_4], HERE, 8000) == [all_4]
    assert chosen([other, all_6], HERE, 8000) == [all_6]
    assert chosen([other], HERE, 8000) == []
    assert chosen([mine], HERE, 8001) == []


def test_where_nothing_listens_nobody_serves_but_who_listens_in_a_network_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What answers is forwarded: to somebody, or to a process that was named."""
    inside = Listener(IPv4Address(0), 80, 0, 42)
    monkeypatch.setattr(listeners, "listeners", lambda pid=None: [] if pid is None else [inside])
    monkeypatch.setattr(listeners, "sockets_of", lambda pid: {42} if pid == 7 else {43})
    assert who_serves(HERE, 8000, lambda: [7]) is Serving.OWN
    assert who_serves(HERE, 8000, lambda: [8]) is Serving.NOBODY


def test_what_cannot_be_read_is_not_known(server: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptors of another user's process, or the table: neither clears nor accuses."""
    port = server.getsockname()[1]
    monkeypatch.setattr(listeners, "sockets_of", lambda _pid: None)
    assert who_serves(HERE, port, lambda: [os.getpid()]) is Serving.UNKNOWN
    assert listener_at(HERE, port) == f"another process (of uid {os.getuid()})"
    monkeypatch.setattr(listeners, "listeners", lambda _pid=None: None)
    assert who_serves(HERE, port, lambda: [os.getpid()]) is Serving.UNKNOWN
    assert listener_at(HERE, port) == ""


def test_a_process_that_is_gone_has_no_sockets() -> None:
    """That is known."""
    assert sockets_of(2**30) == set()
