"""Waits of aiohttp's server and client: connections that are kept, answers that come late, WebSockets."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp import web

from tests.support.waits.kinds import app, later, legitimate, never, spawn


@legitimate()
async def aiohttp_late_answer() -> None:
    if any(isinstance(one, aiohttp.ClientSession) for one in app):
        return
    event = asyncio.Event()

    async def answer(_request: web.Request) -> web.Response:
        await event.wait()
        return web.Response()

    async def talk(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(heartbeat=1800)
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    later(event.set)
    service = web.Application()
    service.add_routes([web.get("/", answer), web.get("/talk", talk)])
    runner = web.AppRunner(service)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    app.append(runner)
    session = aiohttp.ClientSession(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}")
    app.append(session)

    async def asks() -> None:
        async with session.get("/") as response:
            await response.read()

    async def listens() -> None:
        async with session.ws_connect("/talk") as socket:
            await socket.receive()

    for _ in range(30):
        spawn(asks())
        spawn(listens())
    await asyncio.sleep(0.5)


@legitimate()
async def aiohttp_request_with_a_timeout() -> None:
    async def asks() -> None:
        timeout = aiohttp.ClientTimeout(total=3600)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            spawn_of_session = asyncio.get_running_loop().create_task(never())
            await asyncio.sleep(3600)
            spawn_of_session.cancel()
            await session.close()

    spawn(asks())
