"""The peer: the least that FastAPI and aiohttp need to pass bytes on.

``python -m bench.targets.passthrough UPSTREAM PORT``.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from fastapi import FastAPI, Request, Response


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold one session while the application runs."""
    async with aiohttp.ClientSession() as session:
        app.state.session = session
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/api/{service}")
async def forward(service: str, request: Request) -> Response:
    """Return the service's answer to the body, neither of them looked into."""
    headers = {"Host": service, "Content-Type": "application/json"}
    async with request.app.state.session.get(
        app.state.url, data=await request.body(), headers=headers
    ) as answer:
        return Response(await answer.read(), answer.status, media_type="application/json")


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answer as soon as requests can come."""
    return {"status": "ok"}


if __name__ == "__main__":
    upstream, port = sys.argv[1:]
    app.state.url = f"http://{upstream}/api"
    uvicorn.run(
        app, host="127.0.0.1", port=int(port), loop="uvloop", http="httptools", ws="none",
        timeout_keep_alive=75, access_log=False, log_level="error", proxy_headers=False, server_header=False,
    )  # fmt: skip
