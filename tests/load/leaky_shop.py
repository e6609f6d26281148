"""An app of five endpoints; LEAKS has those that keep bytes of each request: ``add=500 remove=80``."""

import os
import sys

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

KEPT_BYTES = {
    name: int(size) for name, _, size in (leak.partition("=") for leak in os.environ.get("LEAKS", "").split())
}
HEAD_BYTES = sys.getsizeof(b"")
added: list[bytes] = []
removed: list[bytes] = []


async def add(request: Request) -> Response:
    await request.json()
    if "add" in KEPT_BYTES:
        added.append(bytes(KEPT_BYTES["add"] - HEAD_BYTES))
    return JSONResponse({"added": True})


async def find(request: Request) -> Response:
    return JSONResponse({"found": [request.query_params["q"]] * 20})


async def change(request: Request) -> Response:
    return JSONResponse({"changed": len(await request.body())})


async def remove(request: Request) -> Response:
    if "remove" in KEPT_BYTES:
        removed.append(bytes(KEPT_BYTES["remove"] - HEAD_BYTES))
    return JSONResponse({"removed": request.path_params["number"]})


async def feed(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text.upper())


async def healthz(_: Request) -> Response:
    return JSONResponse({})


app = Starlette(
    routes=[
        Route("/healthz", healthz),
        Route("/items", add, methods=["POST"]),
        Route("/items", find),
        Route("/items/{number}", change, methods=["PUT"]),
        Route("/items/{number}", remove, methods=["DELETE"]),
        WebSocketRoute("/feed", feed),
    ]
)
