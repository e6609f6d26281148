from __future__ import annotations

import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer
from geventhttpclient.response import HTTPParseError
from locust.contrib.fasthttp import FastHttpSession
from locust.env import Environment

from locustfiles.schedule.requests import PlannedRequest
from locustfiles.worker.client import ArmClient, content_of, header_lines

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Target:
    """A target that notes what it receives, one list for each connection; ``serve`` answers one request."""

    def __init__(self) -> None:
        self.connections: list[list[bytes]] = []
        self.serve: Callable[[socket.socket], object] = lambda connection: connection.sendall(OK)
        self.server = StreamServer(("127.0.0.1", 0), self._serve)
        self.server.start()

    def _serve(self, connection: socket.socket, _: object) -> None:
        received: list[bytes] = []
        self.connections.append(received)
        with connection:
            while connection.fileno() >= 0 and (message := connection.recv(65536)):
                received.append(message)
                self.serve(connection)

    @property
    def received(self) -> list[bytes]:
        """What came over all connections."""
        return [message for received in self.connections for message in received]


@pytest.fixture
def target() -> Iterator[Target]:
    """Return a target that answers well."""
    made = Target()
    yield made
    made.server.stop(timeout=0)


MakeClient = Callable[..., ArmClient]


@pytest.fixture
def make_client(target: Target) -> Iterator[MakeClient]:
    """Return a function that makes a client of the target."""
    with ExitStack() as stack:

        def make(credentials: str = "", base: str = "") -> ArmClient:
            url = f"http://{credentials}127.0.0.1:{target.server.server_port}{base}"
            client = ArmClient(FastHttpSession(url, Environment().events.request, None), 5.0)
            stack.callback(client.close)
            return client

        yield make


def _send(
    client: ArmClient, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str
) -> bytes:
    request = PlannedRequest(0, 0.0, path, body, method, headers)
    with gevent.Timeout(5):
        return content_of(client.send(request))


def test_the_message_is_that_of_locusts_own_client(target: Target, make_client: MakeClient) -> None:
    """Byte for byte: the headers of the plan, those of the client, and the base path of the arm."""
    body = b'{"id": 1}'
    _send(make_client(base="/base"), "/api?a=1", "POST", body, Accept="*/*")
    session = FastHttpSession(
        f"http://127.0.0.1:{target.server.server_port}/base", Environment().events.request, None
    )
    session.post("/api?a=1", data=body.decode(), headers={"Accept": "*/*", "Content-Type": "x"})
    session.client.clientpool.close()
    ours, locusts = target.received
    assert ours == locusts.replace(b"Content-Type: x\r\n", b"")


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/a/b.c?x=1&y=%20", b"/a/b.c?x=1&y=%20"),
        ("/a b", b"/a%20b"),
        ("/\u00fc?x=\u00fc", b"/%C3%BC?x=%C3%BC"),
        ("/a#b", b"/a"),
        ("/%7Ea", b"/~a"),
    ],
)
def test_paths_are_quoted(target: Target, make_client: MakeClient, path: str, sent: bytes) -> None:
    """As Locust's client does: what is quoted stays, what cannot be sent is quoted, a fragment is not sent."""
    _send(make_client(), path)
    assert target.received[0].split(b" ")[1] == sent


def test_a_header_of_the_plan_replaces_one_of_the_client(target: Target, make_client: MakeClient) -> None:
    """Whatever its case; no header is sent twice."""
    headers: Any = {"user-agent": "me", "ACCEPT-ENCODING": "gzip"}
    _send(make_client(), **headers)
    head = target.received[0].lower()
    assert b"user-agent: me\r\n" in head
    assert b"accept-encoding: gzip\r\n" in head
    assert (head.count(b"user-agent"), head.count(b"accept-encoding")) == (1, 1)


@pytest.mark.parametrize(
    ("name", "value"), [("X", "a\r\nY: b"), ("X", "a\nb"), ("X:", "a"), ("X y", "a"), ("", "a")]
)
def test_a_header_that_would_be_two_is_refused(name: str, value: str) -> None:
    """No text of a plan makes headers or requests of its own."""
    with pytest.raises(ValueError, match="cannot be sent"):
        header_lines(((name, value),))


def test_credentials_of_the_url_are_sent(target: Target, make_client: MakeClient) -> None:
    """As basic authentication, and not in the Host."""
    _send(make_client("user:pass@"))
    assert b"\r\nAuthorization: Basic " + b64encode(b"user:pass") + b"\r\n" in target.received[0]
    assert b"@" not in target.received[0]


def test_cookies_are_kept_and_sent_back(target: Target, make_client: MakeClient) -> None:
    """A cookie of one answer goes with the next request, unless the plan gives cookies of its own."""
    client = make_client()
    answer = OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b; Path=/\r\n\r\n")
    target.serve = lambda connection: connection.sendall(answer)
    _send(client)
    _send(client)
    _send(client, Cookie="c=d")
    assert [message.count(b"Cookie: a=b\r\n") for message in target.received] == [0, 1, 0]
    assert target.received[2].count(b"Cookie:") == 1


def test_a_kept_connection_that_was_closed_is_replaced(target: Target, make_client: MakeClient) -> None:
    """Whatever the method: a target may close a connection between two requests."""
    client = make_client()

    def serve(connection: socket.socket) -> None:
        connection.sendall(OK)
        connection.close()

    target.serve = serve
    for _ in range(3):
        _send(client, method="POST", body=b"x")
        gevent.sleep(0.01)
    assert [len(received) for received in target.connections] == [1, 1, 1]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_new_connection_that_ends_without_an_answer_is_a_failure(
    target: Target, make_client: MakeClient, method: str
) -> None:
    """Whatever the method: a request sent again would be two for the target, and its failure none for a gate."""
    target.serve = lambda connection: connection.close()
    with pytest.raises(HTTPParseError):
        _send(make_client(), method=method)
    assert len(target.received) == 1


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("POST", 1)])
def test_over_a_kept_connection_an_idempotent_request_is_sent_again_once(
    target: Target, make_client: MakeClient, method: str, times: int
) -> None:
    """The target may have closed it before the request came."""
    client = make_client()
    _send(client)
    target.serve = lambda connection: connection.close()
    with pytest.raises(HTTPParseError):
        _send(client, method=method)
    assert len(target.received) == 1 + times
    assert len(target.connections) == times


def test_an_answer_before_the_end_of_the_request_counts(target: Target, make_client: MakeClient) -> None:
    """A target may refuse a large body and close the connection while it is sent."""

    def refuse(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    target.serve = refuse
    request = PlannedRequest(0, 0.0, "/", bytes(32 << 20), "POST")
    client = make_client()
    with gevent.Timeout(5):
        try:
            status = client.send(request).get_code()
        except ConnectionResetError:  # the kernel may drop the answer with the reset
            status = 413
    assert status == 413
    target.serve = lambda connection: connection.sendall(OK)
    assert _send(client) == b"{}"


def test_a_time_out_costs_the_connection_only(target: Target, make_client: MakeClient) -> None:
    """In the middle of sending or of the answer: the next request has a connection of its own."""
    client = make_client()

    def stall(connection: socket.socket) -> None:
        connection.sendall(OK[:-1])
        gevent.sleep(60)

    def answer(connection: socket.socket) -> None:
        connection.sendall(OK)

    for body in (bytes(32 << 20), b""):
        target.serve = stall
        with pytest.raises(gevent.Timeout), gevent.Timeout(0.1):
            content_of(client.send(PlannedRequest(0, 0.0, "/", body, "POST")))
        target.serve = answer
        assert _send(client) == b"{}"
    client.close()
    client.close()
    assert _send(client) == b"{}"
