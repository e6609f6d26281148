"""The stub services over HTTP: one bare ASGI application, since it must never be the limit of a run."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from stubs.answers import StubAnswer, StubOutcome

HANG_S: Final = 60.0
"""A request that hangs is given up after this."""

_INSTANCE_NUMBER = re.compile(r"-[0-9]+\Z")


def stub_app(services: Mapping[str, Iterator[StubAnswer]], *, hang_s: float = HANG_S) -> ASGIApp:
    """Return an application that answers GET /api for the service in the Host header, and GET /healthz."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await drain(receive)
        if scope["method"] != "GET":
            await respond(send, 405, error("only GET is answered"))
        elif scope["path"] == "/healthz":
            await respond(send, 200, b'{"status":"ok"}')
        elif scope["path"] != "/api":
            await respond(send, 404, error("there are /api and /healthz"))
        elif (service := service_of(scope)) not in services:
            await respond(send, 404, error(f"no service {service!r}; there are {', '.join(services)}"))
        else:
            await give(next(services[service]), receive, send, hang_s)

    return app


async def give(answer: StubAnswer, receive: Receive, send: Send, hang_s: float) -> None:
    """Send the answer after its latency; one that hangs is silent until the client leaves or ``hang_s`` pass."""
    if answer.outcome is StubOutcome.HANG:
        try:
            async with asyncio.timeout(hang_s):
                await receive()  # the body is drained: all that can come is the client's leaving
        except (TimeoutError, asyncio.CancelledError):  # cancelled: the server ends, which is no error
            await respond(send, 500, error("planned to hang"))
        return
    await asyncio.sleep(answer.latency_s)
    if answer.outcome is StubOutcome.ERROR:
        await respond(send, 500, error("planned to fail"))
    else:
        await respond(send, 200, answer.body)


async def drain(receive: Receive) -> None:
    """Take the request body and drop it."""
    while (await receive()).get("more_body", False):
        pass


async def respond(send: Send, status: int, content: bytes) -> None:
    """Send a whole response with a JSON body."""
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


def service_of(scope: Scope) -> str:
    """Return the service that the Host header names, without port and instance number; "" without one."""
    for name, value in scope["headers"]:
        if name == b"host":
            return _INSTANCE_NUMBER.sub("", value.decode("latin-1").partition(":")[0])
    return ""


def error(message: str) -> bytes:
    """Return the body of an error response."""
    return json.dumps({"error": message}).encode()
