"""An app of five endpoints that appends what it receives to the file LOG, a JSON list a line."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

log = Path(os.environ["LOG"]).open("a", buffering=1)  # noqa: SIM115 - open as long as the app


async def answer(request: Request) -> Response:
    try:
        body = (await request.body()).decode()
    except ClientDisconnect:
        body = "vanished"
    authorized = request.headers.get("authorization") == f"Bearer {os.environ['EXPECTED']}"
    target = f"{request.url.path}?{request.url.query}"
    log.write(json.dumps([request.method, target, body, authorized]) + "\n")
    return JSONResponse({"items": ["x" * 100_000] if request.method == "GET" else []})


async def events(request: Request) -> Response:
    log.write(json.dumps([request.method, request.url.path, "", True]) + "\n")

    async def endless() -> AsyncIterator[str]:
        while True:
            yield "data: 1\n\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(endless(), media_type="text/event-stream")


async def healthz(_: Request) -> Response:
    return JSONResponse({})


app = Starlette(
    routes=[
        Route("/healthz", healthz),
        Route("/events", events),
        Route("/items", answer, methods=["GET", "POST"]),
        Route("/items/{number}", answer, methods=["PUT", "DELETE"]),
    ]
)
