from __future__ import annotations

import gzip
import socket
import zlib
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import brotli
import gevent
import pytest
from gevent.server import StreamServer
from geventhttpclient.client import HTTPClientPool
from locust.contrib.fasthttp import FastHttpSession, FastResponse
from locust.env import Environment

from locustfiles.answers.bounds import (
    KEEP_BYTES,
    LOOK_EVERY_BYTES,
    AnswerBounds,
    AnswerTooLargeError,
    InFlight,
)
from locustfiles.answers.fast_http import (
    AnswerTooLateError,
    bound_answers,
    bound_requests,
    decoded,
    end_deadline,
)
from tests.support.rogue_server import ENDLESS, PIECE

MAX_BYTES = 1 << 20
PLANNED = AnswerBounds(MAX_BYTES, 5.0)
WHOLE = AnswerBounds.of_whole_answers(MAX_BYTES, 5.0)
BODY = b'{"key": "%b"}' % bytes(range(256)).hex().encode() * 100


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


PACKED = [
    ("gzip", gzip.compress),
    ("deflate", zlib.compress),
    ("deflate", _raw_deflate),
    ("br", brotli.compress),
]


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
@pytest.mark.parametrize("bounds", [PLANNED, WHOLE])
def test_an_honest_body_is_decoded(
    encoding: str, pack: Callable[[bytes], bytes], bounds: AnswerBounds
) -> None:
    """In every encoding that Locust offers; empty ones too."""
    assert decoded(pack(BODY), encoding, bounds) == BODY
    assert decoded(pack(b""), encoding, bounds) == b""


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
@pytest.mark.parametrize("bounds", [PLANNED, WHOLE])
def test_a_body_that_decodes_to_too_much(
    encoding: str, pack: Callable[[bytes], bytes], bounds: AnswerBounds
) -> None:
    """The bound itself is allowed, a byte more is not, however few bytes were sent."""
    assert len(decoded(pack(bytes(MAX_BYTES)), encoding, bounds)) >= KEEP_BYTES
    with pytest.raises(AnswerTooLargeError):
        decoded(pack(bytes(MAX_BYTES + 1)), encoding, bounds)


@pytest.mark.parametrize(("encoding", "pack"), PACKED)
def test_a_body_that_is_damaged(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    """A cut or damaged body is an error that Locust counts as a failed request."""
    for damaged in (pack(BODY)[:-9], b"not packed at all"):
        with pytest.raises(zlib.error):
            decoded(damaged, encoding, WHOLE)


def test_the_part_that_is_kept_is_decoded() -> None:
    """Of a body of which the rest was discarded the kept part is decoded, without an error for its end."""
    packer = zlib.compressobj(level=0, wbits=31)
    packed = packer.compress(bytes(MAX_BYTES)) + packer.flush()
    assert 0 < len(decoded(packed[:KEEP_BYTES], "gzip", PLANNED)) <= KEEP_BYTES


class Target:
    """A target that answers every request with a beginning and, for ever or never, with what follows."""

    def __init__(self, beginning: bytes, rest: bytes = b"", every_s: float | None = None) -> None:
        self.connections = 0
        self._answer = (beginning, rest, every_s)
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """End the server."""
        self._server.stop(timeout=0)

    def _serve(self, connection: socket.socket, _: object) -> None:
        beginning, rest, every_s = self._answer
        self.connections += 1
        with connection, suppress(OSError):  # the client has had enough
            while connection.recv(65536):
                connection.sendall(beginning)
                while rest:
                    connection.sendall(rest)
                    gevent.sleep(every_s or 0)


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> AnswerBounds:
    """Bound the answers of this process as for a custom locustfile, for one test."""
    bounds = AnswerBounds(MAX_BYTES, 0.3, InFlight(2 * MAX_BYTES))
    bound_answers(bounds, monkeypatch.setattr)
    bound_requests(bounds, monkeypatch.setattr)
    return bounds


def _get(url: str, failures: list[object], **options: Any) -> FastResponse:
    environment = Environment()
    environment.events.request.add_listener(lambda exception, **_: failures.append(exception))
    session = FastHttpSession(url, environment.events.request, None, network_timeout=5.0, **options)
    with gevent.Timeout(5):
        answer = session.get("/")
    session.client.clientpool.close()
    return answer


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_answer_fails_its_request(bounded: AnswerBounds, name: str) -> None:
    """Whatever part of the answer has no end, the request fails once, and nothing of it is kept."""
    target = Target(*ENDLESS[name])
    failures: list[object] = []
    answer = _get(target.url, failures)
    target.close()
    assert [type(failure) for failure in failures] == [AnswerTooLargeError]
    assert not answer.content
    assert bounded.in_flight is not None
    assert bounded.in_flight.total == 0


@pytest.mark.parametrize(("headers", "kind"), [(99, type(None)), (100, AnswerTooLargeError)])
@pytest.mark.usefixtures("bounded")
def test_an_answer_of_many_headers(headers: int, kind: type) -> None:
    """As many as http.client allows, with its length, are an answer; one more fails the request."""
    target = Target(
        b"HTTP/1.1 200 OK\r\n" + b"Set-Cookie: a=b\r\n" * headers + b"Content-Length: 2\r\n\r\n{}"
    )
    failures: list[object] = []
    _get(target.url, failures)
    target.close()
    assert [type(failure) for failure in failures] == [kind]


@pytest.mark.parametrize("retries", [0, 3])
@pytest.mark.usefixtures("bounded")
def test_a_drip_has_one_deadline(retries: int) -> None:
    """Bytes that come one by one do not stretch it, and neither do the client's own retries."""
    target = Target(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.02)
    failures: list[object] = []
    _get(target.url, failures, max_retries=retries)
    target.close()
    assert [type(failure) for failure in failures] == [AnswerTooLateError]
    assert target.connections == 1


@pytest.mark.usefixtures("bounded")
def test_a_listener_has_its_own_time() -> None:
    """The deadline is the request's: one that hears of it within the request, as in a pause of a replay, may wait."""
    target = Target(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    waited = 0

    def wait(**_: object) -> None:
        nonlocal waited
        gevent.sleep(0.5)
        waited += 1

    environment = Environment()
    environment.events.request.add_listener(end_deadline)
    environment.events.request.add_listener(wait)
    session = FastHttpSession(target.url, environment.events.request, None, network_timeout=5.0)
    assert [session.get("/").status_code for _ in range(2)] == [200, 200]
    session.client.clientpool.close()
    target.close()
    assert waited == 2


@pytest.mark.usefixtures("bounded")
def test_each_request_has_a_deadline_where_an_earlier_one_was_ended() -> None:
    """That of a request that has ended is no other's."""
    environment = Environment()
    environment.events.request.add_listener(end_deadline)
    failures: list[object] = []
    environment.events.request.add_listener(lambda exception, **_: failures.append(exception))
    targets = [
        Target(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
        Target(b"HTTP/1.1 200 OK\r\nX: ", b"x", 0.02),
    ]
    session = FastHttpSession(targets[0].url, environment.events.request, None, network_timeout=5.0)
    with gevent.Timeout(5):
        for target in targets:
            session.get(target.url)
    session.client.clientpool.close()
    for target in targets:
        target.close()
    assert [type(failure) for failure in failures] == [type(None), AnswerTooLateError]


@pytest.mark.parametrize("body", [b"", bytes(32 << 20)], ids=["answer", "sending"])
@pytest.mark.usefixtures("bounded")
def test_a_late_answer_leaves_a_shared_pool_in_use(body: bytes) -> None:
    """Its connection is given up, in the middle of sending too; who waits for one has it, and an answer in time."""
    connections = 0

    def serve(connection: socket.socket, _: object) -> None:
        nonlocal connections
        connections += 1
        with connection:
            if connections == 1:
                gevent.sleep(60)
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    failures: list[object] = []
    environment = Environment()
    environment.events.request.add_listener(lambda exception, **_: failures.append(exception))
    pool = HTTPClientPool(concurrency=1)
    url = f"http://127.0.0.1:{server.server_port}"
    users = [
        FastHttpSession(url, environment.events.request, None, client_pool=pool, network_timeout=5.0)
        for _ in range(2)
    ]
    late = gevent.spawn(users[0].post, "/", data=body)
    gevent.sleep(0.2)  # two thirds of the deadline: the second has not reached its own when the first is over
    answer = users[1].get("/")
    late.join()
    server.stop(timeout=0)
    for user in users:
        user.client.clientpool.close()
    assert [type(failure) for failure in failures] == [AnswerTooLateError, type(None)]
    assert answer.status_code == 200


@pytest.mark.usefixtures("bounded")
def test_a_redirect_loop_ends() -> None:
    """After as many redirects as the locustfile allows."""
    target = Target(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    failures: list[object] = []
    _get(target.url, failures, max_redirects=3)
    target.close()
    assert len(failures) == 1
    assert "Redirection limit" in str(failures[0])


def test_an_honest_answer_is_whole(bounded: AnswerBounds) -> None:
    """A body of more than is kept of a planned answer comes whole to the user's code, and holds nothing after."""
    body = PIECE * 4
    target = Target(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    failures: list[object] = []
    assert _get(target.url, failures).content == body
    target.close()
    assert failures == [None]
    assert bounded.in_flight is not None
    assert bounded.in_flight.total == 0


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"]
)
@pytest.mark.usefixtures("bounded")
def test_an_interim_answer_is_not_the_answer(interim: bytes) -> None:
    """Each request has its whole body, though it comes in pieces, and the next one the same connection."""
    pieces = (interim, b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", b"defghij")
    connections = 0

    def serve(connection: socket.socket, _: object) -> None:
        nonlocal connections
        connections += 1
        with connection, suppress(OSError):
            while connection.recv(65536):
                for piece in pieces:
                    connection.sendall(piece)
                    gevent.sleep(0.01)

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    environment = Environment()
    failures: list[object] = []
    environment.events.request.add_listener(lambda exception, **_: failures.append(exception))
    url = f"http://127.0.0.1:{server.server_port}"
    session = FastHttpSession(url, environment.events.request, None, network_timeout=5.0)
    answers = [session.get("/") for _ in range(3)]
    session.client.clientpool.close()
    server.stop(timeout=0)
    assert [(one.status_code, one.content) for one in answers] == [(200, b"abcdefghij")] * 3
    assert (failures, connections) == ([None] * 3, 1)


@pytest.mark.usefixtures("bounded")
def test_a_reader_gives_way() -> None:
    """While an answer is read that is always there, other greenlets have their turns."""
    body = PIECE * 15
    target = Target(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    turns = 0

    def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            gevent.sleep(0)

    other = gevent.spawn(take_turns)
    _get(target.url, [])
    other.kill()
    target.close()
    assert turns >= len(body) / LOOK_EVERY_BYTES
