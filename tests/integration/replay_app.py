"""An ASGI app that retains what one of its two paths allocates: a bytearray, by one line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

kept: list[bytearray] = []


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],  # noqa: ARG001 - as ASGI has it
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    if scope["type"] != "http":
        return
    if scope["path"] == "/leaks":
        kept.append(bytearray(5000))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{}"})
