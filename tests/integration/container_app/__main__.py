"""Serves at PORT of all addresses, and keeps KEEP_BYTES of each POST in a list."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

KEPT: list[bytes] = []


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    keep = int(os.environ.get("KEEP_BYTES", "0"))
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            length = next(
                (
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                ),
                0,
            )
            await reader.readexactly(length)
            if keep and head.startswith(b"POST"):
                KEPT.append(os.urandom(keep))
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}")
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main() -> None:
    port = int(sys.argv[1]) if sys.argv[1:] else int(os.environ.get("PORT", "8000"))
    if "FAIL" in os.environ:
        sys.exit(f"cannot start: {os.environ['FAIL']}")
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, sys.exit)
    server = await asyncio.start_server(answer, os.environ.get("HOST", "0.0.0.0"), port)
    print(f"serves at {port}", flush=True)
    await server.serve_forever()


asyncio.run(main())
