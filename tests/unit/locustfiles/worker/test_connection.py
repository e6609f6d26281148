"""Connections to services with several addresses: which one is taken, and what a failure is."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import gevent
import pytest
from gevent.server import StreamServer

from locustfiles.worker.connection import SOCKETS, connect

NOBODY = "127.0.0.2"
"""An address at which no service of these tests listens."""


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of a service that listens at 127.0.0.1 alone."""
    server = StreamServer(("127.0.0.1", 0), lambda connection, _: connection.sendall(b"here"))
    server.start()
    yield server.server_port
    server.stop(timeout=0)


def _resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def infos(_: str, port: int, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(SOCKETS, "getaddrinfo", infos)


def test_the_next_address_is_tried(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """A name that resolves to IPv6 first reaches a service that listens on IPv4 alone."""
    _resolve_to(monkeypatch, NOBODY, "127.0.0.1")
    with gevent.Timeout(5), connect(urlsplit(f"http://shop:{port}"), 5.0) as connection:
        assert connection.recv(16) == b"here"


def test_an_address_that_is_silent_takes_its_share_of_the_time(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    """A firewall that drops packets to one address leaves time for the other."""
    with closing(socket.socket()) as full:
        full.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        full.bind((NOBODY, port))
        full.listen(0)
        with closing(socket.create_connection(full.getsockname())):
            _resolve_to(monkeypatch, NOBODY, "127.0.0.1")
            began_s = time.monotonic()
            with gevent.Timeout(5), connect(urlsplit(f"http://shop:{port}"), 0.4) as connection:
                assert connection.recv(16) == b"here"
    assert 0.2 <= time.monotonic() - began_s < 2


def test_the_last_failure_is_raised(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    """Where no address takes a connection the request has none."""
    _resolve_to(monkeypatch, NOBODY, NOBODY)
    with gevent.Timeout(5), pytest.raises(ConnectionRefusedError):
        connect(urlsplit(f"http://shop:{port}"), 5.0)


def test_a_deadline_of_the_caller_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last address has no time of its own."""
    with closing(socket.socket()) as full:
        full.bind((NOBODY, 0))
        full.listen(0)
        url = urlsplit(f"http://shop:{full.getsockname()[1]}")
        with closing(socket.create_connection(full.getsockname())):
            _resolve_to(monkeypatch, NOBODY)
            with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
                connect(url, 60.0)
