"""An app with a WebSocket endpoint. With LEAK it forgets no client: each connection leaves its buffer behind."""

import os

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

BUFFER_BYTES = int(os.environ.get("BUFFER_BYTES", "20000"))
LEAK = bool(os.environ.get("LEAK"))
clients: dict[int, bytearray] = {}
numbers = iter(range(10**9))
ends: dict[str, int] = {}


async def chat(socket: WebSocket) -> None:
    await socket.accept()
    number = next(numbers)
    clients[number] = bytearray(BUFFER_BYTES)
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect as ended:
        ends[str(ended.code)] = ends.get(str(ended.code), 0) + 1
    finally:
        if not LEAK:
            del clients[number]


async def forbidden(socket: WebSocket) -> None:
    await socket.close()


async def state(_: Request) -> Response:
    return JSONResponse({"clients": len(clients), "ends": ends})


async def healthz(_: Request) -> Response:
    return PlainTextResponse("ok")


app = Starlette(
    routes=[
        Route("/healthz", healthz),
        Route("/state", state),
        WebSocketRoute("/chat", chat),
        WebSocketRoute("/forbidden", forbidden),
    ]
)
