"""Planned WebSockets against honest, scripted and hostile services: what is sent, counted and bounded."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gevent
import gevent.event
import pytest
from gevent.server import StreamServer
from gevent.ssl import SSLContext
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, CloseConnection, Event, Ping, Request, TextMessage

from locustfiles.counts import Second
from locustfiles.schedule.requests import Messages, PlannedRequest, Template, Values
from locustfiles.worker import websockets
from locustfiles.worker.queue import ArmQueue
from locustfiles.worker.websocket import WebSocket
from locustfiles.worker.websockets import WebSockets
from soak.contract.templates import IN_BODIES
from tests.support import rogue_websockets
from tests.support.paths import ROOT

TLS = ROOT / "tests" / "support" / "tls"
PATIENCE_S = 30.0
"""Time-out of a step, seconds, of which nothing waits for its end; TIMEOUT_S where something does."""
TIMEOUT_S = 0.3
MAX_BYTES = 1_000_000
TEXTS = Messages(
    1, Template('{"n": {n}, "c": "{choice:a|b}"}', IN_BODIES, {}), Values(7, "", str, random.Random(0))
)
REQUEST = PlannedRequest(
    7, 0.0, "/chat?room=1", b"", "WEBSOCKET", {"X-Token": "abc"}, "chat", open_s=0.15, messages=TEXTS
)
Reply = Callable[[Event], list[Event]]


def _echo(event: Event) -> list[Event]:
    return [TextMessage(data=event.data)] if isinstance(event, TextMessage) else []


def _close_after(messages: int, service: Service) -> Reply:
    return lambda _: [CloseConnection(code=1000)] if len(service.texts()) == messages else []


class Service:
    """A service that answers each event as scripted, and keeps what it received and how the connection ended."""

    def __init__(self, **tls: SSLContext) -> None:
        self.reply: Reply = _echo
        self.answer_close: Callable[[CloseConnection], list[Event]] = lambda close: [close.response()]
        self.received: list[Event] = []
        self.ends: list[str] = []
        self.connections = 0
        self.ended = gevent.event.Event()
        self.server = StreamServer(("127.0.0.1", 0), self._serve, **tls)
        self.server.start()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.server.server_port}"

    def _serve(self, connection: socket.socket, _: object) -> None:
        self.connections += 1
        protocol = WSConnection(ConnectionType.SERVER)
        end = "closed"
        try:
            while data := connection.recv(65536):
                protocol.receive_data(data)
                for event in protocol.events():
                    self.received.append(event)
                    answers = self.reply(event)
                    if isinstance(event, Request):
                        answers = [
                            AcceptConnection(subprotocol=next(iter(event.subprotocols), None)),
                            *answers,
                        ]
                    if isinstance(event, CloseConnection):
                        end = f"code {event.code}"
                        answers = self.answer_close(event)
                    for answer in answers:
                        connection.sendall(protocol.send(answer))
                if end != "closed":
                    break
        except ConnectionError:
            end = "reset"
        connection.close()
        self.ends.append(end)
        self.ended.set()

    def texts(self) -> list[str]:
        """Return the messages that it received."""
        return [event.data for event in self.received if isinstance(event, TextMessage)]


@pytest.fixture
def service() -> Iterator[Service]:
    """Return a service that echoes."""
    made = Service()
    yield made
    made.server.stop(timeout=0)


@pytest.fixture(scope="module")
def rogue() -> Iterator[str]:
    """Return the URL of a service with every hostile behaviour, in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(rogue_websockets.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def end() -> None:
        server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    asyncio.run_coroutine_threadsafe(end(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(5)
    loop.close()


class Connect:
    """Starts the WebSockets of a URL, on the clock of this machine from 0."""

    def __init__(self) -> None:
        self.made: list[WebSockets] = []
        self._started_s = time.monotonic()

    def __call__(self, url: str, most: int = 2, timeout_s: float = PATIENCE_S, **options: Any) -> ArmQueue:
        queue = ArmQueue(60.0, self.now_s)
        self.made.append(WebSockets(url, queue, most, timeout_s, self.now_s, MAX_BYTES, **options))
        self.made[-1].begin()
        return queue

    def now_s(self) -> float:
        """Return the time of the clock."""
        return time.monotonic() - self._started_s

    def advance(self, seconds: float) -> None:
        """Let that time have passed."""
        self._started_s -= seconds


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Return what starts WebSockets, which end with the test."""
    made = Connect()
    yield made
    for one in made.made:
        one.close()


def _counts(queue: ArmQueue, ended: int = 1) -> Second:
    """Wait until so many WebSockets have ended; return the sums of the counts."""
    total = Second()
    with gevent.Timeout(PATIENCE_S):
        while total.ok + total.failed.total() < ended:
            gevent.sleep(0.005)
            for second in range(80):
                total.add(queue.counter.take(second))
    assert queue.counter.in_flight == 0
    return total


def test_a_connection_from_its_opening_to_its_close(service: Service, connect: Connect) -> None:
    """It is opened with the headers of the plan, sends in time, and closes; each message and its echo is counted."""
    reports: list[dict[str, Any]] = []
    queue = connect(service.url + "/base", report=lambda **what: reports.append(what))
    queue.offer(replace(REQUEST, open_s=0.6, send_every_s=0.1, echo=True))
    counts = _counts(queue)
    assert (counts.sent, counts.opened, counts.ok, counts.failed) == (1, 1, 1, {})
    assert counts.names == {"chat": 1}
    assert 2 <= counts.messages_sent == counts.messages_received == len(service.texts()) <= 6
    assert counts.timings.latency.get_total_count() == counts.timings.service.get_total_count() == 1
    assert counts.timings.latency.get_max_value() < 600_000, (
        "the time to the opened connection, not to its end"
    )
    assert counts.timings.round_trip is not None
    assert counts.timings.round_trip.get_total_count() == counts.messages_received
    assert service.ended.wait(PATIENCE_S)
    assert service.ends == ["code 1000"]
    asked = service.received[0]
    assert isinstance(asked, Request)
    assert (asked.target, asked.extensions) == ("/base/chat?room=1", [])
    assert (b"x-token", b"abc") in asked.extra_headers
    assert [(one["name"], one["exception"]) for one in reports] == [("chat", None)]


def test_it_sends_the_texts_of_the_plan(service: Service, connect: Connect) -> None:
    """Filled in from the connection's own seed: the other arm gets the same ones."""
    other = Service()
    for one in (service, other):
        queue = connect(one.url)
        one.reply = _close_after(8, one)
        queue.offer(replace(REQUEST, open_s=60.0, send_every_s=0.01))
        assert _counts(queue).failed == {"reset": 1}
    other.server.stop(timeout=0)
    least = min(len(service.texts()), len(other.texts()))
    assert least >= 8
    assert service.texts()[:least] == other.texts()[:least]
    assert set(service.texts()) == {'{"n": 7, "c": "a"}', '{"n": 7, "c": "b"}'}


@pytest.mark.parametrize(("texts", "sent"), [(TEXTS, 1), (None, 0)])
def test_without_a_period_there_is_one_message_at_most(
    service: Service, connect: Connect, texts: Messages | None, sent: int
) -> None:
    """The body is sent at the opening; without a body nothing is."""
    queue = connect(service.url)
    queue.offer(replace(REQUEST, messages=texts))
    counts = _counts(queue)
    assert (counts.ok, counts.messages_sent, len(service.texts())) == (1, sent, sent)
    assert counts.timings.round_trip is None


def test_one_that_vanishes(service: Service, connect: Connect) -> None:
    """The service sees a reset and no close frame; it is counted as any other connection."""
    queue = connect(service.url)
    queue.offer(replace(REQUEST, client="abort", send_every_s=0.05))
    counts = _counts(queue)
    assert (counts.opened, counts.ok, counts.failed) == (1, 1, {})
    assert service.ended.wait(PATIENCE_S)
    assert service.ends == ["reset"]
    assert not any(isinstance(event, CloseConnection) for event in service.received)


def test_over_tls(connect: Connect) -> None:
    """Of an https URL the connection is encrypted; its certificate is not checked, as that of other requests."""
    context = SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS / "server.pem", TLS / "server.key")
    service = Service(ssl_context=context)
    queue = connect(service.url)
    queue.offer(replace(REQUEST, open_s=0.4, echo=True))
    counts = _counts(queue)
    service.server.stop(timeout=0)
    assert (counts.ok, counts.failed) == (1, {})
    assert counts.messages_received == counts.messages_sent == 1


def test_a_subprotocol(service: Service, connect: Connect) -> None:
    """The header of the plan is the offer; the service chooses one of it."""
    queue = connect(service.url)
    queue.offer(replace(REQUEST, headers={"Sec-WebSocket-Protocol": "graphql-transport-ws, other"}))
    assert _counts(queue).ok == 1
    asked = service.received[0]
    assert isinstance(asked, Request)
    assert asked.subprotocols == ["graphql-transport-ws", "other"]


def test_no_proxy_of_the_environment(
    service: Service, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The arm is what is connected to."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    queue = connect(service.url)
    queue.offer(REQUEST)
    assert _counts(queue).ok == 1


def test_messages_of_the_service(service: Service, connect: Connect) -> None:
    """What it sends on its own is counted by whole messages, also what comes with the upgrade; pings are answered."""
    pushed: list[Event] = [
        TextMessage(data="one", message_finished=False),
        TextMessage(data=" message"),
        BytesMessage(data=b"another"),
        Ping(payload=b"?"),
    ]
    service.reply = lambda event: list(pushed) if isinstance(event, Request) else []
    queue = connect(service.url)
    queue.offer(replace(REQUEST, messages=None))
    counts = _counts(queue)
    assert (counts.ok, counts.messages_received, counts.messages_sent) == (1, 2, 0)
    assert [type(event).__name__ for event in service.received] == ["Request", "Pong", "CloseConnection"]


@pytest.mark.parametrize(
    ("code", "held", "kind"),
    [
        (1000, 0.95, None),
        (1005, 0.95, None),
        (1011, 0.95, "reset"),
        (1000, 0.8, "reset"),
        (1005, 0.0, "reset"),
    ],
)
def test_a_service_that_closes(
    service: Service, connect: Connect, code: int, held: float, kind: str | None
) -> None:
    """A normal close at the planned end is no failure; an early one is, and one with another code."""

    def close(event: Event) -> list[Event]:
        if not isinstance(event, TextMessage):
            return []
        connect.advance(60.0 * held)
        return [CloseConnection(code=code)]

    service.reply = close
    queue = connect(service.url)
    queue.offer(replace(REQUEST, open_s=60.0))
    counts = _counts(queue)
    assert (counts.opened, counts.ok, dict(counts.failed)) == ((1, 0, {kind: 1}) if kind else (1, 1, {}))


@pytest.mark.parametrize(("code", "kind"), [(1000, None), (1005, None), (1011, "reset"), (0, "reset")])
def test_the_answer_to_our_close(service: Service, connect: Connect, code: int, kind: str | None) -> None:
    """A connection that breaks at its planned end has failed: by another code, or without a close frame (0)."""
    service.answer_close = lambda _: [CloseConnection(code=code)] if code else []
    queue = connect(service.url)
    queue.offer(REQUEST)
    counts = _counts(queue)
    assert (counts.opened, counts.ok, dict(counts.failed)) == ((1, 0, {kind: 1}) if kind else (1, 1, {}))


def test_a_message_counts_when_it_was_sent(
    service: Service, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where sending waits beyond the second in which it began: that one may have been reported meanwhile."""
    began_s: list[int] = []

    def send(websocket: WebSocket, text: str) -> None:
        began_s.append(int(connect.now_s()))
        connect.advance(1.0)
        unblocked_send(websocket, text)

    unblocked_send = WebSocket.send
    monkeypatch.setattr(WebSocket, "send", send)
    queue = connect(service.url)
    queue.offer(REQUEST)
    with gevent.Timeout(PATIENCE_S):
        while not service.texts():
            gevent.sleep(0.001)
    assert queue.counter.take(began_s[0]).messages_sent == 0
    assert _counts(queue).messages_sent == 1


OF_HOSTILE = {
    **dict.fromkeys(("refuse", "refuse-endless", "redirect", "no-upgrade"), "refused"),
    **dict.fromkeys(("no-http", "wrong-accept"), "other"),
    **dict.fromkeys(("endless-head", *rogue_websockets.ENDLESS), "too_large"),
    **dict.fromkeys(("silent-upgrade", "dripped-upgrade", *rogue_websockets.STAYING), "timeout"),
    **dict.fromkeys(rogue_websockets.OF_FRAMES, "other"),
    **dict.fromkeys(("closed-upgrade", "error-close", "vanish"), "reset"),
}


@pytest.mark.parametrize("name", rogue_websockets.HOSTILE)
def test_a_hostile_service(rogue: str, connect: Connect, name: str) -> None:
    """Each behaviour fails its connection alone, once, under its kind, and within the time-outs."""
    reports: list[dict[str, Any]] = []
    timeout_s = TIMEOUT_S if OF_HOSTILE[name] == "timeout" else PATIENCE_S
    queue = connect(rogue, timeout_s=timeout_s, report=lambda **what: reports.append(what))
    began_s = time.monotonic()
    queue.offer(replace(REQUEST, path=f"/{name}", echo=name == "mute", open_s=1.0 if name == "mute" else 0.1))
    counts = _counts(queue)
    assert (counts.sent, counts.ok, counts.failed) == (1, 0, {OF_HOSTILE[name]: 1})
    assert time.monotonic() - began_s < PATIENCE_S
    assert counts.opened == (OF_HOSTILE[name] != "refused" and name not in rogue_websockets.OF_UPGRADE)
    assert counts.timings.latency.get_total_count() == 1
    assert str(reports[0]["exception"]).startswith(OF_HOSTILE[name])


def test_the_status_of_a_refusal(rogue: str, connect: Connect) -> None:
    """It stands in Locust's statistics, beside the kind."""
    reports: list[dict[str, Any]] = []
    queue = connect(rogue, report=lambda **what: reports.append(what))
    queue.offer(replace(REQUEST, path="/refuse"))
    _counts(queue)
    assert str(reports[0]["exception"]) == "refused: the upgrade was answered with status 403"


def test_a_flood_leaves_others_their_turn(rogue: str, service: Service, connect: Connect) -> None:
    """Beside connections that are flooded, one to another arm is opened and closed in its time."""
    flooded, quiet = connect(rogue, most=10), connect(service.url)
    for at in range(10):
        name = rogue_websockets.HOSTILE[10 + at % 6]
        flooded.offer(replace(REQUEST, path=f"/{name}", open_s=60.0))
    quiet.offer(replace(REQUEST, open_s=0.3))
    counts = _counts(quiet)
    assert (counts.ok, counts.failed) == (1, {})
    assert _counts(flooded, 10).failed == {"too_large": 10}


def test_a_dead_target(connect: Connect) -> None:
    """There is no connection, as for any request."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        queue = connect(f"http://127.0.0.1:{reserved.getsockname()[1]}")
        queue.offer(REQUEST)
        assert _counts(queue).failed == {"connect": 1}


def test_it_ends_before_a_pause(service: Service, connect: Connect) -> None:
    """In a pause the service is read without load: the connection is closed by then, which is no failure."""
    queue = connect(service.url)
    queue.offer(replace(REQUEST, open_s=60.0, until_s=0.2))
    assert _counts(queue).ok == 1
    assert service.ends == ["code 1000"]


def test_the_end_of_the_load_closes_all(
    service: Service, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that comes earlier than planned: the drain waits for them, and they end properly."""
    monkeypatch.setattr(websockets, "LOOK_EVERY_S", 0.02)
    end_s = [60.0]
    queue = connect(service.url, end_s=lambda: end_s[0])
    for client in ("", "abort"):
        queue.offer(replace(REQUEST, open_s=60.0, client=client))
    with gevent.Timeout(PATIENCE_S):
        while len(service.texts()) < 2:
            gevent.sleep(0.001)
    assert not queue.idle
    end_s[0] = 0.0
    assert _counts(queue, 2).ok == 2
    assert queue.idle
    with gevent.Timeout(PATIENCE_S):
        while len(service.ends) < 2:
            gevent.sleep(0.001)
    assert sorted(service.ends) == ["code 1000", "reset"]


def test_what_is_cut_off_is_counted_once(service: Service, connect: Connect) -> None:
    """A drain that is over ends what still is open, as a failure."""
    queue = connect(service.url)
    queue.offer(replace(REQUEST, open_s=60.0))
    with gevent.Timeout(PATIENCE_S):
        while not service.texts():
            gevent.sleep(0.001)
    connect.made[0].close()
    assert _counts(queue).failed == {"timeout": 1}


def test_at_most_so_many_are_open(service: Service, connect: Connect) -> None:
    """The rest waits for its turn, and is missed when it is too late; users' requests do not wait for them."""
    queue = connect(service.url, most=2)
    for _ in range(5):
        queue.offer(replace(REQUEST, open_s=60.0))
    with gevent.Timeout(PATIENCE_S):
        while service.connections < 2:
            gevent.sleep(0.001)
    gevent.sleep(0.01)
    assert (len(queue), service.connections) == (3, 2)
    queue.offer(replace(REQUEST, open_s=None, messages=None, name="other"))
    with gevent.Timeout(PATIENCE_S):
        assert queue.take().name == "other"
