"""Asks an upstream that never answers, and gives up after a read timeout."""

import asyncio

import httpx
from serve import HOST, serve

client = httpx.AsyncClient(timeout=httpx.Timeout(5.0, read=0.02))
upstream = []


async def never_answer(reader, writer):
    while await reader.read(1000):
        pass
    writer.close()


async def start():
    upstream.append(await asyncio.start_server(never_answer, HOST, 0))


async def answer(n):
    port = upstream[0].sockets[0].getsockname()[1]
    try:
        await client.get(f"http://{HOST}:{port}/{n}")
    except httpx.ReadTimeout:
        return {"n": n, "timed_out": True}
    return {"n": n}


serve(answer, start)
