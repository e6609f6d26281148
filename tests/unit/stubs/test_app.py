import asyncio
import json
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pytest
from starlette.types import Message

from stubs.answers import StubAnswer, StubOutcome
from stubs.app import stub_app

END: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}


class Exchange:
    """One request: the client's messages as they are read, and what was sent back."""

    def __init__(
        self, *incoming: Message, host: str = "orders", method: str = "GET", path: str = "/api"
    ) -> None:
        self.scope = {"type": "http", "method": method, "path": path, "headers": [(b"host", host.encode())]}
        self.incoming: asyncio.Queue[Message] = asyncio.Queue()
        for message in incoming or (END,):
            self.incoming.put_nowait(message)
        self.sent: list[Message] = []

    async def run(self, services: dict[str, Iterator[StubAnswer]], hang_s: float = 60) -> None:
        async def send(message: Message) -> None:
            self.sent.append(message)

        await stub_app(services, hang_s=hang_s)(self.scope, self.incoming.get, send)

    @property
    def reply(self) -> tuple[int, Any]:
        start, content = self.sent
        assert dict(start["headers"])[b"content-length"] == str(len(content["body"])).encode()
        return start["status"], json.loads(content["body"])


def service(outcome: StubOutcome, latency_s: float = 0) -> dict[str, Iterator[StubAnswer]]:
    """Return the one service there is, which always answers like this."""
    return {"orders": repeat(StubAnswer(outcome, latency_s, b'{"id":1}'))}


@pytest.mark.parametrize("host", ["orders", "orders:9000", "orders-017", "orders-017:80"])
def test_the_host_header_names_the_service(host: str) -> None:
    """A service answers under its name and its instances', with or without a port."""
    exchange = Exchange(host=host)
    asyncio.run(exchange.run(service(StubOutcome.OK)))
    assert exchange.reply == (200, {"id": 1})


@pytest.mark.parametrize(
    ("host", "method", "path", "status", "message"),
    [
        ("users", "GET", "/api", 404, "no service 'users'; there are orders"),
        ("orders-x", "GET", "/api", 404, "no service 'orders-x'; there are orders"),
        ("orders", "POST", "/api", 405, "only GET is answered"),
        ("orders", "GET", "/", 404, "there are /api and /healthz"),
    ],
)
def test_anything_else_is_refused(host: str, method: str, path: str, status: int, message: str) -> None:
    """Another service, method or path is refused, with what there is."""
    exchange = Exchange(host=host, method=method, path=path)
    asyncio.run(exchange.run(service(StubOutcome.OK)))
    assert exchange.reply == (status, {"error": message})


def test_health_needs_no_service() -> None:
    """Health is answered whatever the Host header says."""
    exchange = Exchange(host="127.0.0.1:9000", path="/healthz")
    asyncio.run(exchange.run(service(StubOutcome.ERROR)))
    assert exchange.reply == (200, {"status": "ok"})


def test_the_body_is_drained_before_the_answer() -> None:
    """Every part of the request's body is read, so that the connection can be used again."""
    part: Message = {"type": "http.request", "body": b"x" * 9000, "more_body": True}
    exchange = Exchange(part, part, END)
    asyncio.run(exchange.run(service(StubOutcome.OK)))
    assert exchange.incoming.empty()
    assert exchange.reply == (200, {"id": 1})


def test_a_planned_error() -> None:
    """An error is a 500 that says it was planned."""
    exchange = Exchange()
    asyncio.run(exchange.run(service(StubOutcome.ERROR)))
    assert exchange.reply == (500, {"error": "planned to fail"})


def test_an_answer_takes_its_latency() -> None:
    """An answer comes no sooner than its latency."""

    async def scenario() -> float:
        began = asyncio.get_running_loop().time()
        await Exchange().run(service(StubOutcome.OK, latency_s=0.02))
        return asyncio.get_running_loop().time() - began

    assert asyncio.run(scenario()) >= 0.019  # the loop's clock may be a tick coarse


def test_a_hang_ends_when_the_client_leaves() -> None:
    """Nothing is ever sent to a client that hangs, and nothing stays when it is gone."""
    exchange = Exchange(END, GONE)
    asyncio.run(exchange.run(service(StubOutcome.HANG)))
    assert exchange.sent == []


def test_a_hang_is_bounded() -> None:
    """A client that stays is given up in the end."""
    exchange = Exchange()
    asyncio.run(exchange.run(service(StubOutcome.HANG), hang_s=0.01))
    assert exchange.reply == (500, {"error": "planned to hang"})


def test_the_end_of_the_server_ends_a_hang() -> None:
    """A hanging request that the server cancels at shutdown ends without an exception."""

    async def scenario() -> Exchange:
        exchange = Exchange()
        request = asyncio.create_task(exchange.run(service(StubOutcome.HANG)))
        while not exchange.incoming.empty():  # noqa: ASYNC110  the loop's turns are what is awaited
            await asyncio.sleep(0)
        request.cancel()
        await request
        return exchange

    assert asyncio.run(scenario()).reply == (500, {"error": "planned to hang"})
