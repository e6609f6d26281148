"""A server whose answers are hostile, by the first segment of the path: ``python -m tests.support.rogue_server``.

It prints its port. A path without the name of a hostile answer gets a good one; ``/endless-body-003`` gets the answer
``endless-body``.
"""

from __future__ import annotations

import asyncio
import re
import struct
import zlib
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import cache
from typing import Final

PIECE: Final = b"x" * 65536
DRIP_EVERY_S: Final = 0.1
BOMB_BYTES: Final = 1 << 30
GZIP_HEADER_BYTES: Final = 10
OK: Final = b"HTTP/1.1 200 OK\r\n"
GOOD: Final = OK + b"Content-Length: 2\r\n\r\n{}"


@cache
def bomb() -> bytes:
    """Return an answer of 1 MiB of gzip that decodes to 1 GiB.

    After a full flush deflate begins anew: the first MiB of zeros, packed once, stands there 1,024 times.
    """
    zeros, packer = bytes(1 << 20), zlib.compressobj(wbits=31)
    first = packer.compress(zeros) + packer.flush(zlib.Z_FULL_FLUSH)
    header, packed = first[:GZIP_HEADER_BYTES], first[GZIP_HEADER_BYTES:]
    times, checksum = BOMB_BYTES // len(zeros), 0
    for _ in range(times):
        checksum = zlib.crc32(zeros, checksum)
    last = zlib.compressobj(wbits=-zlib.MAX_WBITS).flush()
    body = header + times * packed + last + struct.pack("<II", checksum, BOMB_BYTES)
    return OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body


CHUNK: Final = b"%x\r\n%b\r\n" % (len(PIECE), PIECE)
ENDLESS: Final = {
    "endless-body": (OK + b"\r\n", PIECE),
    "endless-length": (OK + b"Content-Length: 1099511627776\r\n\r\n", PIECE),
    "endless-chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", CHUNK),
    "endless-small-chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 10_000),
    "endless-chunk-size": (OK + b"Transfer-Encoding: chunked\r\n\r\n1;", PIECE),
    "endless-trailer": (OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: ", PIECE),
    "endless-header": (OK + b"X: ", PIECE),
    "endless-headers": (OK, b"Set-Cookie: a=b\r\n" * 4000),
    "endless-reason": (b"HTTP/1.1 200 ", PIECE),
    "endless-continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2000),
}
"""Answers that never end: the beginning, and what follows it for ever."""
HOSTILE: Final = (*ENDLESS, "redirect-loop", "drip", "drip-header", "bomb", "many-cookies")


async def pieces(name: str) -> AsyncIterator[bytes]:
    """Yield the pieces of an answer."""
    match name:
        case "redirect-loop":
            yield b"HTTP/1.1 302 Found\r\nLocation: /redirect-loop\r\nContent-Length: 0\r\n\r\n"
        case "drip" | "drip-header":
            yield OK + (b"\r\n" if name == "drip" else b"X: ")
            while True:
                await asyncio.sleep(DRIP_EVERY_S)
                yield b"x"
        case "bomb":
            yield bomb()
        case "many-cookies":
            yield OK + b"Set-Cookie: a=b\r\n" * 3500 + b"Content-Length: 2\r\n\r\n{}"
        case _ if name in ENDLESS:
            beginning, rest = ENDLESS[name]
            yield beginning
            while True:
                yield rest
        case _:
            yield GOOD


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of a connection."""
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            if length := re.search(r"content-length: (\d+)", head, re.IGNORECASE):
                await reader.readexactly(int(length[1]))
            name = re.sub(r"-\d+$", "", head.split(" ", 2)[1].strip("/"))
            async for piece in pieces(name):
                writer.write(piece)
                await writer.drain()
    writer.close()


async def main() -> None:
    """Serve until the process is ended."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
