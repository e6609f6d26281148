"""Serves a case: a JSON answer to every request, on 127.0.0.1 at the port of the command line.

It runs in the case's own environment, on Python 3.9 and newer, with the uvicorn that is pinned there.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

PORT = int(sys.argv[1])
HOST = "127.0.0.1"

numbers = itertools.count(1)


def serve(
    answer: Callable[[int], Awaitable[object]], start: Callable[[], Awaitable[None]] | None = None
) -> None:
    """Answer each request with what ``answer`` returns for its number; ``start`` runs before the first one."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            if start is not None:
                await start()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        while (await receive()).get("more_body"):
            pass
        body = json.dumps(await answer(next(numbers))).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    run(app)


def run(app: Any) -> None:
    """Serve an ASGI application."""
    uvicorn.run(app, host=HOST, port=PORT, log_level="warning", access_log=False)
