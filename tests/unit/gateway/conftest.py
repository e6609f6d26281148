"""A real upstream on loopback, and a client that speaks ASGI to an application without a server."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from starlette.types import ASGIApp, Message

from gateway.upstreams import Address, Upstreams

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Upstream = Callable[[Handler], AbstractAsyncContextManager[Upstreams]]


@asynccontextmanager
async def _upstream(handler: Handler) -> AsyncIterator[Upstreams]:
    application = web.Application()
    application.router.add_get("/api", handler)
    async with TestServer(application) as server:
        address = Address("127.0.0.1", server.port or 0)
        yield Upstreams({"orders": address, "users": address})


@pytest.fixture
def upstream() -> Upstream:
    """Call it with a handler of GET /api; it yields two services, both answered by it."""
    return _upstream


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: Any


Call = Callable[..., Awaitable[Reply]]


async def _call(
    app: ASGIApp,
    method: str,
    path: str,
    *messages: Message,
    query: str = "",
    headers: Mapping[str, str] = MappingProxyType({}),
    client: tuple[str, int] | None = ("127.0.0.1", 50000),
) -> Reply:
    sent: list[Message] = []
    incoming = iter(messages)

    async def receive() -> Message:
        return next(incoming)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()
        ],
        "query_string": query.encode(),
        "client": client,
    }
    await app(scope, receive, send)
    answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    content = b"".join(message.get("body", b"") for message in sent[1:])
    is_json = answered.get("content-type") == "application/json"
    return Reply(sent[0]["status"], answered, json.loads(content) if is_json else content.decode())


@pytest.fixture
def call() -> Call:
    """Send a request as ASGI messages; one that is read beyond the last of them fails."""
    return _call
