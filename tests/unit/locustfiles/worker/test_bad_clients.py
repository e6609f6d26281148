"""Bad clients against scripted and hostile servers: what they send, and that each ends in its time."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace

import gevent
import gevent.event
import pytest
from gevent.server import StreamServer

from locustfiles.counts import Second
from locustfiles.schedule.requests import PlannedRequest
from locustfiles.worker.bad_clients import BadClients
from locustfiles.worker.queue import ArmQueue
from tests.support.rogue_server import ENDLESS

REQUEST = PlannedRequest(
    0, 0.0, "/upload?n=1", b"0123456789", "POST", {"X-Token": "abc"}, "bad", "abort", None
)
TIMEOUT_S = 0.3
PATIENCE_S = 30.0
"""Seconds after which what is waited for does not come, on a busy machine either."""
LONG_BODY = b"x" * 1_000_000
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"


def _long_answer(connection: socket.socket) -> None:
    connection.sendall(ANSWER + LONG_BODY)


class Server:
    """A server that answers as scripted, and keeps what it received and how each connection ended."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.ends: list[str] = []
        self.ended = gevent.event.Event()
        self.answer: Callable[[socket.socket], object] = _long_answer
        self.server = StreamServer(("127.0.0.1", 0), self._serve)
        self.server.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def _serve(self, connection: socket.socket, _: object) -> None:
        with connection:
            self.received.append(connection.recv(65536))
            try:
                self.answer(connection)
                end = "closed" if not connection.recv(65536) else "more"
            except ConnectionResetError:
                end = "reset"
            except BrokenPipeError:
                end = "broken"
        self.ends.append(end)
        self.ended.set()


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a server with a long answer."""
    made = Server()
    yield made
    made.server.stop(timeout=0)


MakeClients = Callable[..., tuple[BadClients, ArmQueue]]


@pytest.fixture
def clients() -> Iterator[MakeClients]:
    """Return a function that starts the bad clients of a URL, on the clock of this machine from 0."""
    started_s = time.monotonic()
    made: list[BadClients] = []

    def make(url: str, most: int = 2, timeout_s: float = TIMEOUT_S) -> tuple[BadClients, ArmQueue]:
        def now_s() -> float:
            return time.monotonic() - started_s

        queue = ArmQueue(60.0, now_s)
        made.append(BadClients(url, queue, most, timeout_s, now_s))
        made[-1].begin()
        return made[-1], queue

    yield make
    for one in made:
        one.close()


def _counts(queue: ArmQueue, ended: int) -> Second:
    """Wait until so many requests have ended; return the sums of the counts."""
    total = Second()
    with gevent.Timeout(PATIENCE_S):
        while total.ok + total.failed.total() < ended:
            gevent.sleep(0.005)
            for second in range(20):
                total.add(queue.counter.take(second))
    return total


@pytest.mark.parametrize("client", ["abort", "slow", "half"])
def test_each_ends_with_a_reset(server: Server, clients: MakeClients, client: str) -> None:
    """The service sees the client vanish; it is no failure, has no time, and stands under its name."""
    _, queue = clients(server.url)
    queue.offer(replace(REQUEST, client=client))
    counts = _counts(queue, 1)
    assert (counts.sent, counts.ok, counts.failed, counts.names) == (1, 1, {}, {"bad": 1})
    assert counts.timings.latency.get_total_count() == 0
    assert server.ended.wait(PATIENCE_S)
    assert server.ends == ["reset"]
    head, _, body = server.received[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /upload?n=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert {b"X-Token: abc", b"Content-Length: 10", b"Connection: close"} <= set(head.split(b"\r\n"))
    assert body == (b"01234" if client == "half" else b"0123456789")


def test_a_slow_client_takes_a_thousand_bytes_a_second(server: Server, clients: MakeClients) -> None:
    """In its time it takes one piece; the rest of the answer is the service's to hold."""
    taken: list[int] = []

    def answer(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        view = memoryview(ANSWER + LONG_BODY)
        while view:
            view = view[connection.send(view) :]
            taken.append(len(view))

    server.answer = answer
    _, queue = clients(server.url)
    queue.offer(replace(REQUEST, client="slow"))
    _counts(queue, 1)
    assert server.ended.wait(PATIENCE_S)
    assert min(taken) > 900_000


def test_an_answer_that_a_slow_client_has_read_ends_it(server: Server, clients: MakeClients) -> None:
    """A service that closes after a short answer is done with it."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        connection.close()

    server.answer = answer
    _, queue = clients(server.url, timeout_s=60.0)
    queue.offer(replace(REQUEST, client="slow"))
    assert _counts(queue, 1).ok == 1


def _silent(_: socket.socket) -> None:
    gevent.sleep(60)


def _never_reads(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    gevent.sleep(60)


def _drips(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x")
        gevent.sleep(0.01)


def _resets(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def _refuses(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    connection.close()


def _endless(name: str) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        beginning, rest = ENDLESS[name]
        connection.sendall(beginning)
        while True:
            connection.sendall(rest)

    return answer


@pytest.mark.parametrize("client", ["abort", "slow", "half"])
@pytest.mark.parametrize(
    "answer",
    [_silent, _never_reads, _drips, _resets, _refuses, *map(_endless, ENDLESS)],
    ids=lambda answer: answer.__name__,
)
def test_whatever_the_server_does_it_ends_in_its_time(
    server: Server, clients: MakeClients, client: str, answer: Callable[[socket.socket], None]
) -> None:
    """No answer keeps a bad client beyond its time, the least one here, and none is a failure of the service."""
    server.answer = lambda connection: suppress_errors(answer, connection)
    _, queue = clients(server.url, timeout_s=60.0)
    body = b"x" * 4_000_000 if answer is _never_reads else REQUEST.body
    queue.offer(replace(REQUEST, client=client, body=body, until_s=0.0))
    counts = _counts(queue, 1)
    assert (counts.ok, counts.failed) == (1, {})


def suppress_errors(answer: Callable[[socket.socket], None], connection: socket.socket) -> None:
    """Answer until the client has had enough."""
    with suppress(OSError):
        answer(connection)


def test_a_dead_target_is_a_failure(clients: MakeClients) -> None:
    """Where there is no connection the service is down, for a bad client too."""
    with closing(socket.socket()) as reserved:
        reserved.bind(("127.0.0.1", 0))
        _, queue = clients(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        queue.offer(REQUEST)
        assert _counts(queue, 1).failed == {"connect": 1}


def test_a_target_that_takes_no_connection_is_a_failure(clients: MakeClients) -> None:
    """It counts as a time-out after the whole time, and not where a pause cut that short."""
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        with closing(socket.create_connection(full.getsockname())):
            _, queue = clients(url, most=1)
            for until_s in (float("inf"), 0.0):
                queue.offer(replace(REQUEST, until_s=until_s))
            counts = _counts(queue, 2)
    assert (counts.ok, counts.failed) == (1, {"timeout": 1})


def test_one_that_is_still_connecting_at_the_end_of_the_load_is_a_failure(clients: MakeClients) -> None:
    """Nobody knows whether it would have got a connection: it was not served."""
    with closing(socket.socket()) as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        with closing(socket.create_connection(full.getsockname())):
            made, queue = clients(f"http://127.0.0.1:{full.getsockname()[1]}", timeout_s=60.0)
            queue.offer(REQUEST)
            with gevent.Timeout(PATIENCE_S):
                while not queue.counter.take(0).sent:
                    gevent.sleep(0.001)
            made.close()
            counts = _counts(queue, 1)
    assert (counts.ok, counts.failed) == (0, {"timeout": 1})


def test_it_ends_before_a_pause(server: Server, clients: MakeClients) -> None:
    """In a pause the target is read without load."""
    _, queue = clients(server.url, timeout_s=60.0)
    queue.offer(replace(REQUEST, client="slow", until_s=0.2))
    assert _counts(queue, 1).ok == 1


def test_the_end_of_the_load_ends_them(server: Server, clients: MakeClients) -> None:
    """What is being sent counts as ended, and the drain does not wait for it."""
    made, queue = clients(server.url, timeout_s=60.0)
    queue.offer(replace(REQUEST, client="slow"))
    with gevent.Timeout(PATIENCE_S):
        while not server.received:
            gevent.sleep(0.001)
    assert queue.idle
    made.close()
    assert _counts(queue, 1).ok == 1
    assert server.ended.wait(PATIENCE_S)


def test_they_hold_up_no_other_request(server: Server, clients: MakeClients) -> None:
    """With every bad client busy and more waiting, the next request of a good client is taken at once."""
    _, queue = clients(server.url, most=1, timeout_s=60.0)
    for _ in range(3):
        queue.offer(replace(REQUEST, client="slow"))
    queue.offer(replace(REQUEST, client="", name="good"))
    gevent.sleep(0)
    with gevent.Timeout(PATIENCE_S):
        assert queue.take().name == "good"
    assert queue.idle


def test_at_most_so_many_are_connected(server: Server, clients: MakeClients) -> None:
    """The rest waits, and is missed when it is too late."""
    _, queue = clients(server.url, most=2, timeout_s=60.0)
    for _ in range(5):
        queue.offer(replace(REQUEST, client="slow"))
    with gevent.Timeout(PATIENCE_S):
        while len(server.received) < 2:
            gevent.sleep(0.001)
    assert len(queue) == 3
