"""The example gateway, whose answers have no end after so many: ``python -m tests.support.endless_gateway N ...``.

The arguments after N, the number of good answers, are those of ``python -m gateway``. The demo with such an arm, from
the root of the repository, endless from about the middle of the load on:

    soak run demo --set arms.leaky.cwd=$PWD --set 'arms.leaky.command=["{python}", "-m",
      "tests.support.endless_gateway", "18000", "--variant", "leaky", "--port", "{port}", "--upstreams", "{upstreams}"]'
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

import gateway.__main__
import gateway.app

PIECE: Final = b"x" * 65536


def endless_after(app: ASGIApp, answers: int) -> ASGIApp:
    """Return the application, which answers to that many POSTs, and to all later ones without end."""
    left = answers

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal left
        if scope["type"] != "http" or scope["method"] != "POST":
            await app(scope, receive, send)
            return
        left -= 1
        if left >= 0:
            await app(scope, receive, send)
            return
        gone = asyncio.create_task(_disconnected(receive))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not gone.done():
            await send({"type": "http.response.body", "body": PIECE, "more_body": True})
            await asyncio.sleep(0)

    return serve


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def main() -> None:
    """Run the gateway with that application."""
    answers = int(sys.argv.pop(1))
    create_app = gateway.app.create_app

    def create(*arguments: Any, **options: Any) -> Any:
        return endless_after(create_app(*arguments, **options), answers)

    gateway.__main__.create_app = create  # type: ignore[attr-defined]
    gateway.__main__.main()


if __name__ == "__main__":
    main()
