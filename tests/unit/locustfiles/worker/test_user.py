from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count

import gevent
import pytest
from gevent import monkey
from gevent.server import StreamServer
from locust.env import Environment

from locustfiles.answers.bounds import KEEP_BYTES, AnswerBounds
from locustfiles.answers.fast_http import bound_answers
from locustfiles.counts import Second
from locustfiles.schedule.requests import PlannedRequest
from locustfiles.worker.client import READ_BYTES
from locustfiles.worker.queue import ArmQueue
from locustfiles.worker.user import ArmUser, user_class
from soak.contract import Traffic
from tests.support.rogue_server import ENDLESS

MakeTraffic = Callable[..., Traffic]

REQUEST = PlannedRequest(
    0,
    0.0,
    "/api/orders-000",
    b'{"id": "7-0", "payload": "x"}',
    headers={"Content-Type": "application/json"},
    name="/api/{service}",
)


def _answer(status: str, body: bytes = b"{}", length: int | None = None) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n"
    return head.encode() + body


class Target:
    """A target that gives each request the same raw bytes, and counts connections."""

    def __init__(self) -> None:
        self.reply: bytes | None = _answer("200 OK")
        """None: say nothing."""
        self.connections = 0
        self.requests: list[bytes] = []
        self.server = StreamServer(("127.0.0.1", 0), self._serve)
        self.server.start()

    def _serve(self, connection: socket.socket, _: object) -> None:
        self.connections += 1
        while received := connection.recv(65536):
            self.requests.append(received)
            if self.reply is None:
                continue
            connection.sendall(self.reply)
            if b"Content-Length: 99" in self.reply or not self.reply:
                return


@pytest.fixture
def target() -> Iterator[Target]:
    """Return a target that answers well."""
    made = Target()
    yield made
    made.server.stop(timeout=0)


@pytest.fixture
def make_user(make_traffic: MakeTraffic) -> Callable[[str], ArmUser]:
    """Return a function that makes a user of an arm at a URL; its clock stands still."""

    def now() -> float:
        return 0.25

    def make(url: str) -> ArmUser:
        traffic = make_traffic(arms={"leaky": url}, network_timeout_s=1.0)
        environment = Environment()
        environment.create_local_runner()
        user = user_class("leaky", traffic, ArmQueue(1.0, now), now)(environment)
        user.on_start()
        return user

    return make


def _send(user: ArmUser, times: int = 1, request: PlannedRequest = REQUEST) -> None:
    """Let the user send a request some times."""
    for _ in range(times):
        user.queue.offer(request)
    greenlet = gevent.spawn(user.send_forever)
    with gevent.Timeout(5):
        while not user.queue.idle:
            gevent.sleep(0.001)
    greenlet.kill()
    user.on_stop()


def _url(target: Target) -> str:
    return f"http://127.0.0.1:{target.server.server_port}"


def _counts(user: ArmUser) -> dict[str, int]:
    """Return what the user's requests became."""
    second: Second = user.queue.counter.take(0)
    assert second.sent == second.ok + second.failed.total() == second.timings.latency.get_total_count()
    return dict(second.failed) | ({"ok": second.ok} if second.ok else {})


def test_locust_patched_nothing() -> None:
    """The tests of this room leave the standard library as it is."""
    assert not monkey.is_module_patched("socket")
    assert not socket.socket.__module__.startswith("gevent")


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (_answer("200 OK"), "ok"),
        (_answer("200 OK", b'{"error": "boom"}'), "error_body"),
        (_answer("404 Not Found"), "4xx"),
        (_answer("503 Service Unavailable"), "5xx"),
        (_answer("302 Found"), "other"),
        (_answer("200 OK", b"cut", length=99), "reset"),
        (b"", "reset"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: secret\r\nContent-Length: 1\r\n\r\nx", "other"),
        (None, "timeout"),
    ],
)
def test_each_outcome_is_counted_once(
    target: Target,
    make_user: Callable[[str], ArmUser],
    reply: bytes | None,
    kind: str,
) -> None:
    """Whatever the target does, the request is sent once and ends once, under its kind."""
    target.reply = reply
    user = make_user(_url(target))
    _send(user)
    assert _counts(user) == {kind: 1}
    assert len(target.requests) == 1


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_answer_is_too_large(
    target: Target, make_user: Callable[[str], ArmUser], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever part of an answer has no end fails its request, and the next request has a connection of its own."""
    bound_answers(AnswerBounds(300_000, 5.0), monkeypatch.setattr)

    def serve(connection: socket.socket, _: object) -> None:
        beginning, rest = ENDLESS[name]
        with connection, suppress(OSError):  # the client has had enough
            connection.recv(65536)
            connection.sendall(beginning)
            while True:
                connection.sendall(rest)

    target.server.set_handle(serve)
    user = make_user(_url(target))
    _send(user, times=2)
    assert _counts(user) == {"too_large": 2}


def test_of_a_long_body_the_beginning_is_checked(
    target: Target, make_user: Callable[[str], ArmUser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body within the bound is read to its end, and discarded but for its first 64 KiB."""
    bound_answers(AnswerBounds(1_000_000, 5.0), monkeypatch.setattr)
    lengths: list[int] = []
    target.reply = _answer("200 OK", b'{"error": "' + b"x" * 500_000)
    user = make_user(_url(target))
    user.environment.events.request.add_listener(lambda response_length, **_: lengths.append(response_length))
    _send(user, times=2)
    assert _counts(user) == {"error_body": 2}
    assert target.connections == 1
    assert len(lengths) == 2
    assert all(KEEP_BYTES <= kept < KEEP_BYTES + READ_BYTES for kept in lengths)


def test_a_dead_target(make_user: Callable[[str], ArmUser]) -> None:
    """A refused connection fails as connect, one for each request."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        user = make_user(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        _send(user, times=3)
    assert _counts(user) == {"connect": 3}


def test_a_trickling_answer_times_out(target: Target, make_user: Callable[[str], ArmUser]) -> None:
    """The timeout is for the whole request: an answer that comes byte by byte does not stretch it."""

    def trickle(connection: socket.socket, _: object) -> None:
        connection.recv(65536)
        for byte in _answer("200 OK", b"x" * 1000):
            connection.sendall(bytes([byte]))
            gevent.sleep(0.05)

    target.server.set_handle(trickle)
    user = make_user(_url(target))
    _send(user)
    assert _counts(user) == {"timeout": 1}


def test_what_is_sent(target: Target, make_user: Callable[[str], ArmUser]) -> None:
    """A user sends path and body as planned, as JSON, over one connection that it keeps."""
    user = make_user(_url(target))
    _send(user, times=3)
    head, _, body = target.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /api/orders-000 HTTP/1.1\r\n")
    assert b"\r\nContent-Type: application/json" in head
    assert body == REQUEST.body
    assert target.connections == 1
    assert _counts(user) == {"ok": 3}


def test_a_timeout_costs_the_connection(target: Target, make_user: Callable[[str], ArmUser]) -> None:
    """After a timeout the next request goes over a new connection, so that no late answer is taken for its own."""
    target.reply = None
    user = make_user(_url(target))
    _send(user, times=2)
    assert target.connections == 2
    assert _counts(user) == {"timeout": 2}


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"],
        [_answer("200 OK") + b"more"],
        [_answer("200 OK")[:-2], b"{}more"],
    ],
)
def test_an_answer_that_cannot_be_parsed_costs_the_connection(
    target: Target, make_user: Callable[[str], ArmUser], pieces: list[bytes]
) -> None:
    """Also where the error comes after the end of the answer: what follows is no answer to the next request."""

    def serve(connection: socket.socket, _: object) -> None:
        target.connections += 1
        while connection.recv(65536):
            for piece in pieces:
                connection.sendall(piece)
                gevent.sleep(0.01)

    target.server.set_handle(serve)
    user = make_user(_url(target))
    _send(user, times=3)
    assert target.connections == 3
    assert _counts(user) == {"reset": 3}


def test_locust_counts_one_entry_for_an_arm(target: Target, make_user: Callable[[str], ArmUser]) -> None:
    """Locust's statistics have one entry for an arm, whatever the instance names, and our kinds as failures."""
    target.reply = _answer("200 OK", b'{"error": "boom"}')
    user = make_user(_url(target))
    _send(user)
    stats = user.environment.stats
    assert list(stats.entries) == [("leaky /api/{service}", "POST")]
    assert [str(error.error) for error in stats.errors.values()] == ["error_body"]


def test_the_host_of_the_start_form_does_not_redirect(
    target: Target, make_user: Callable[[str], ArmUser], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Locust's form sets the host of every user class; a user of an arm goes to its arm all the same."""
    monkeypatch.setattr(ArmUser, "host", "nowhere", raising=False)
    user = make_user(_url(target))
    _send(user)
    assert _counts(user) == {"ok": 1}


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
def test_every_method_is_sent_with_its_headers(
    target: Target, make_user: Callable[[str], ArmUser], method: str
) -> None:
    """Each method arrives with the path, the headers of the plan and, where there is one, the body."""
    target.reply = _answer("200 OK", b"" if method == "HEAD" else b"{}")
    user = make_user(_url(target))
    body = b"" if method in {"GET", "DELETE", "HEAD", "OPTIONS"} else b"x=1"
    headers = {"Authorization": "Bearer secret"}
    _send(user, request=replace(REQUEST, method=method, path="/a?b=1", body=body, headers=headers))
    head, _, received = target.requests[0].partition(b"\r\n\r\n")
    assert head.startswith(f"{method} /a?b=1 HTTP/1.1\r\n".encode())
    assert b"\r\nAuthorization: Bearer secret" in head
    assert received == body
    assert _counts(user) == {"ok": 1}


def test_cookies_of_the_plan(target: Target, make_user: Callable[[str], ArmUser]) -> None:
    """They are sent as planned, whatever cookies the service has set before."""
    target.reply = (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: session=another\r\nSet-Cookie: more=1\r\nContent-Length: 2\r\n\r\n{}"
    )
    user = make_user(_url(target))
    _send(user, times=2, request=replace(REQUEST, headers={"Cookie": "session=secret; theme=dark"}))
    assert len(target.requests) == 2
    for request in target.requests:
        assert request.lower().count(b"cookie:") == 1
        assert b"\r\nCookie: session=secret; theme=dark\r\n" in request


def _event_stream(target: Target, events: int | None) -> None:
    """Let the target send events for ever, or so many and the end of the stream."""

    def serve(connection: socket.socket, _: object) -> None:
        target.connections += 1
        with connection, suppress(OSError):
            while connection.recv(65536):
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in count() if events is None else range(events):
                    connection.sendall(b"8\r\ndata: 1\n\r\n")
                    gevent.sleep(0.01)
                connection.sendall(b"0\r\n\r\n")

    target.server.set_handle(serve)


def test_a_stream_is_read_for_its_time(target: Target, make_user: Callable[[str], ArmUser]) -> None:
    """A stream without end is no failure after read_s; its connection is closed, and the next request has its own."""
    _event_stream(target, None)
    user = make_user(_url(target))
    _send(user, times=2, request=replace(REQUEST, method="GET", body=b"", read_s=0.05))
    assert _counts(user) == {"ok": 2}
    assert target.connections == 2


def test_a_stream_that_ends_keeps_its_connection(target: Target, make_user: Callable[[str], ArmUser]) -> None:
    """With and without read_s it is read to its end."""
    _event_stream(target, 3)
    user = make_user(_url(target))
    _send(user, times=2, request=replace(REQUEST, method="GET", body=b"", read_s=0.25))
    user.queue.offer(REQUEST)
    assert target.connections == 1
    _send(user)
    assert _counts(user) == {"ok": 4}


def test_a_stream_ends_before_a_pause(target: Target, make_user: Callable[[str], ArmUser]) -> None:
    """No stream of the plan lasts into a pause, in which the target is read without load."""
    _event_stream(target, None)
    user = make_user(_url(target))
    _send(user, request=replace(REQUEST, method="GET", body=b"", read_s=60.0, until_s=0.25))
    assert _counts(user) == {"ok": 1}


def test_a_stream_longer_than_the_timeout_is_no_failure(
    target: Target, make_user: Callable[[str], ArmUser]
) -> None:
    """Where read_s and the time to the head exceed the time-out together, the reading ends before it."""
    _event_stream(target, None)
    user = make_user(_url(target))
    _send(user, request=replace(REQUEST, method="GET", body=b"", read_s=0.3))
    assert _counts(user) == {"ok": 1}


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (_answer("503 Service Unavailable"), "5xx"),
        (_answer("200 OK", b'{"error": "boom"}'), "error_body"),
        (_answer("200 OK", b"cut", length=99), "reset"),
        (b"", "reset"),
        (None, "timeout"),
    ],
)
def test_a_stream_that_fails(
    target: Target, make_user: Callable[[str], ArmUser], reply: bytes | None, kind: str
) -> None:
    """A stream with a bad status, a cut one and one that does not begin fail like any answer."""
    target.reply = reply
    user = make_user(_url(target))
    _send(user, request=replace(REQUEST, method="GET", body=b"", read_s=0.2))
    assert _counts(user) == {kind: 1}


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_stream_is_too_large_or_ends(
    target: Target, make_user: Callable[[str], ArmUser], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The bounds of an answer hold for a stream."""
    bound_answers(AnswerBounds(300_000, 5.0), monkeypatch.setattr)

    def serve(connection: socket.socket, _: object) -> None:
        beginning, rest = ENDLESS[name]
        with connection, suppress(OSError):
            connection.recv(65536)
            connection.sendall(beginning)
            while True:
                connection.sendall(rest)

    target.server.set_handle(serve)
    user = make_user(_url(target))
    _send(user, request=replace(REQUEST, read_s=0.25))
    assert _counts(user) == {"too_large": 1}
