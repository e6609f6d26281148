import asyncio
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from gateway.app import MAX_BODY_BYTES, create_app
from gateway.failures import REFUSALS, OverloadedError, RequestFailedError
from gateway.interface import Stats
from gateway.upstreams import Address, Upstreams

UPSTREAMS = Upstreams({"orders": Address("127.0.0.1", 1)})


class FakeGateway:
    """Answers with what it was asked, or raises what it was given."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked: list[tuple[str, Any]] = []
        self.closed = False

    async def handle_request(self, service_name: str, request_data: dict[str, Any]) -> bytes:
        self.asked.append((service_name, request_data))
        if self.failure is not None:
            raise self.failure
        return b'{"answer":1}'

    def stats(self) -> Stats:
        return Stats(background_tasks=1, sessions=2, cache_entries=3, history_entries=4)

    async def aclose(self) -> None:
        self.closed = True


def body(*chunks: bytes) -> list[Message]:
    """Return a request body that arrives in these chunks, as ASGI messages."""
    last = len(chunks) - 1
    return [{"type": "http.request", "body": chunk, "more_body": n < last} for n, chunk in enumerate(chunks)]


def ask(call: Callable[..., Any], method: str, path: str, *messages: Message, gateway: FakeGateway) -> Any:
    """Send one request to an application with this gateway, from its startup to its shutdown."""

    async def scenario() -> Any:
        app = create_app(lambda: gateway, UPSTREAMS)
        async with app.router.lifespan_context(app):
            return await call(app, method, path, *messages)

    return asyncio.run(scenario())


def test_a_request_reaches_the_gateway(call: Any) -> None:
    """Instance name and data are handed on, the answer's bytes come back as JSON, and shutdown closes all."""
    gateway = FakeGateway()
    reply = ask(call, "POST", "/api/orders-017", *body(b'{"a"', b": [1]}"), gateway=gateway)
    assert (reply.status, reply.body) == (200, {"answer": 1})
    assert reply.headers["content-type"] == "application/json"
    assert gateway.asked == [("orders-017", {"a": [1]})]
    assert gateway.closed


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the body is not valid JSON: EOF while parsing a value at line 1 column 0"),
        (b'{"a":', "the body is not valid JSON: EOF while parsing a value at line 1 column 5"),
        (b'{"a":NaN}', "the body is not valid JSON: expected value at line 1 column 6"),
        (b"[1]", "the body must be a JSON object, not list"),
        (b"null", "the body must be a JSON object, not NoneType"),
        (
            b'{"a":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
            "the body is not valid JSON: recursion limit exceeded at line 1 column 206",
        ),
    ],
)
def test_a_bad_body_is_422(call: Any, content: bytes, message: str) -> None:
    """What is not a JSON object, or is nested too deep, never reaches the gateway."""
    gateway = FakeGateway()
    reply = ask(call, "POST", "/api/orders", *body(content), gateway=gateway)
    assert (reply.status, reply.body) == (422, {"error": message})
    assert gateway.asked == []


def test_a_deep_body_within_the_limit_passes(call: Any) -> None:
    """Nesting of 150 is fine."""
    reply = ask(
        call, "POST", "/api/orders", *body(b'{"a":' + b"[" * 150 + b"]" * 150 + b"}"), gateway=FakeGateway()
    )
    assert reply.status == 200


def test_too_large_a_body_is_not_read_on(call: Any) -> None:
    """Without any Content-Length, reading stops at the chunk that goes beyond the limit."""
    endless: list[Message] = [{"type": "http.request", "body": b"x" * MAX_BODY_BYTES, "more_body": True}] * 2
    gateway = FakeGateway()
    reply = ask(call, "POST", "/api/orders", *endless, gateway=gateway)
    assert (reply.status, reply.body) == (413, {"error": "the body is longer than 1048576 bytes"})
    assert gateway.asked == []


def test_the_largest_body_passes(call: Any) -> None:
    """A body of exactly the limit is taken."""
    content = b'{"a":"' + b"x" * (MAX_BODY_BYTES - 8) + b'"}'
    assert len(content) == MAX_BODY_BYTES
    reply = ask(call, "POST", "/api/orders", *body(content), gateway=FakeGateway())
    assert reply.status == 200


@pytest.mark.parametrize("name", ["users", "orders-x", "127.0.0.1", "orders@127.0.0.1"])
def test_an_unknown_service_is_404_before_its_body(call: Any, name: str) -> None:
    """A name that is not configured is refused without reading the body."""
    reply = ask(call, "POST", f"/api/{name}", gateway=FakeGateway())
    assert (reply.status, reply.body) == (404, {"error": f"no service {name!r}; there are orders"})


@pytest.mark.parametrize("refusal", REFUSALS)
def test_every_refusal_has_its_status(call: Any, refusal: type[RequestFailedError]) -> None:
    """What the gateway raises becomes its status with the message, and 503 says when to come back."""
    reply = ask(call, "POST", "/api/orders", *body(b"{}"), gateway=FakeGateway(refusal("why")))
    assert (reply.status, reply.body) == (refusal.status, {"error": "why"})
    assert reply.headers.get("retry-after") == ("1" if refusal is OverloadedError else None)


def test_a_defect_is_500_and_logged(call: Any, caplog: pytest.LogCaptureFixture) -> None:
    """An exception nobody foresaw says nothing to the client and all to the log."""
    reply = ask(call, "POST", "/api/orders", *body(b"{}"), gateway=FakeGateway(KeyError("planted")))
    assert (reply.status, reply.body) == (500, {"error": "internal error"})
    assert caplog.messages == ["KeyError, number 1: 'planted'"]


def test_a_client_that_leaves_is_harmless(call: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A client that leaves in the middle of its body causes neither a call nor a complaint."""
    gateway = FakeGateway()
    messages: list[Message] = [
        {"type": "http.request", "body": b'{"a"', "more_body": True},
        {"type": "http.disconnect"},
    ]
    ask(call, "POST", "/api/orders", *messages, gateway=gateway)
    assert gateway.asked == []
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("method", "path", "status", "content"),
    [
        ("GET", "/healthz", 200, {"status": "ok"}),
        ("GET", "/api/orders", 405, {"error": "Method Not Allowed"}),
        ("POST", "/nowhere", 404, {"error": "Not Found"}),
        ("POST", "/api/", 404, {"error": "Not Found"}),
        ("POST", "/api/orders/1", 404, {"error": "Not Found"}),
    ],
)
def test_other_paths(call: Any, method: str, path: str, status: int, content: Any) -> None:
    """Health is said, and what does not exist is refused in the same form as all else."""
    reply = ask(call, method, path, *body(b""), gateway=FakeGateway())
    assert (reply.status, reply.body) == (status, content)


def test_metrics_show_the_gateway(call: Any) -> None:
    """A scrape shows the gateway's sizes and counts requests to /api by how they ended, and no others."""

    async def scenario() -> str:
        app = create_app(FakeGateway, UPSTREAMS)
        async with app.router.lifespan_context(app):
            await call(app, "POST", "/api/orders", *body(b"{}"))
            await call(app, "POST", "/api/users", *body(b"{}"))
            await call(app, "GET", "/healthz", *body(b""))
            reply = await call(app, "GET", "/metrics", *body(b""))
        assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, "text/plain")
        return str(reply.body)

    lines = asyncio.run(scenario()).splitlines()
    assert {
        "gateway_background_tasks 1.0",
        "gateway_sessions 2.0",
        "gateway_cache_entries 3.0",
        "gateway_history_entries 4.0",
        'gateway_request_duration_seconds_count{status="2xx"} 1.0',
        'gateway_request_duration_seconds_count{status="4xx"} 1.0',
        'gateway_request_duration_seconds_count{status="5xx"} 0.0',
    } <= set(lines)


def test_the_document_has_every_status(call: Any) -> None:
    """The OpenAPI document describes the plain route with each status it can give."""
    reply = ask(call, "GET", "/openapi.json", *body(b""), gateway=FakeGateway())
    assert set(reply.body["paths"]) == {"/healthz", "/metrics", "/api/{service}"}
    responses = reply.body["paths"]["/api/{service}"]["post"]["responses"]
    assert sorted(responses) == ["200", "404", "413", "422", "502", "503", "504"]


def test_gauges_are_registered_with_a_probe(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a probe in the process, cache and history show their sizes to it."""
    gauges: dict[str, Callable[[], float]] = {}
    probe = types.ModuleType("soak_probe")
    probe.gauge = gauges.__setitem__  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "soak_probe", probe)
    ask(call, "GET", "/healthz", *body(b""), gateway=FakeGateway())
    assert {name: read() for name, read in gauges.items()} == {"cache_entries": 3.0, "history_entries": 4.0}
