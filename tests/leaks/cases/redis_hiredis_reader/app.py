"""Opens a connection to a Redis of its own, uses it once and closes it."""

import asyncio

from redis.asyncio import Connection
from serve import HOST, serve

redis = []


async def pong(reader, writer):
    while await reader.read(1000):
        writer.write(b"+PONG\r\n")
    writer.close()


async def start():
    redis.append(await asyncio.start_server(pong, HOST, 0))


async def answer(n):
    connection = Connection(host=HOST, port=redis[0].sockets[0].getsockname()[1])
    await connection.connect()
    try:
        await connection.send_command("PING")
        return {"n": n, "answer": (await connection.read_response()).decode()}
    finally:
        await connection.disconnect()


serve(answer, start)
