"""A service of WebSockets, good and hostile, by the path: ``python -m tests.support.rogue_websockets``.

It prints its port. A path without the name of a hostile behaviour is good: it echoes each message and answers a close.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT: Final = 1
BINARY: Final = 2
CLOSE: Final = 8
PING: Final = 9
UPGRADE: Final = (
    b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %b\r\n\r\n"
)
OF_UPGRADE: Final = {
    "refuse": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n",
    "refuse-endless": b"HTTP/1.1 503 Busy\r\n\r\n",
    "redirect": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/\r\nContent-Length: 0\r\n\r\n",
    "no-upgrade": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "no-http": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "wrong-accept": UPGRADE % b"eA==",
    "endless-head": b"HTTP/1.1 101 X\r\nX: ",
    "silent-upgrade": b"",
    "dripped-upgrade": b"HTTP/1.1 101 X\r\nX: ",
    "closed-upgrade": b"",
}  # fmt: skip
"""What is sent instead of an upgrade."""
ENDLESS: Final = {
    "endless-messages": (b"", b"\x81\x00" * 8192),
    "endless-pings": (b"", b"\x89\x00" * 8192),
    "endless-pongs": (b"", b"\x8a\x00" * 8192),
    "endless-fragments": (b"\x01\x00", b"\x00\x00" * 8192),
    "endless-frame": (b"\x82\x7f" + struct.pack("!Q", 2**62), b"x" * 65536),
    "endless-text": (b"\x81\x7f" + struct.pack("!Q", 2**62), b"x" * 65536),
}
"""What is sent after an upgrade: the beginning, and what follows it for ever."""
OF_FRAMES: Final = {
    "masked": b"\x81\x82abcdxx",
    "reserved-bit": b"\xc1\x00",
    "unknown-opcode": b"\x83\x00",
    "no-utf": b"\x81\x01\xff",
    "lone-continuation": b"\x80\x01x",
    "long-ping": b"\x89\x7e\x00\xff" + b"x" * 255,
    "no-frame": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "error-close": b"\x88\x02\x03\xf3",
    "vanish": b"",
}
"""What is sent once after an upgrade, before the connection ends."""
STAYING: Final = ("deaf", "never-closes", "dripped-frame", "mute")
"""Behaviours of a service that keeps the connection: it does not read, answers no close, sends a byte at a time."""
HOSTILE: Final = (*OF_UPGRADE, *ENDLESS, *OF_FRAMES, *STAYING)


def frame(opcode: int, payload: bytes) -> bytes:
    """Return a whole frame of a server."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | opcode, size)) + payload
    return (
        bytes((0x80 | opcode, 127)) + struct.pack("!Q", size) + payload
        if size > 65535
        else (bytes((0x80 | opcode, 126)) + struct.pack("!H", size) + payload)
    )


def upgraded(head: str) -> bytes:
    """Return the answer by which a WebSocket is opened."""
    match = re.search(r"sec-websocket-key: *(\S+)", head, re.IGNORECASE)
    digest = hashlib.sha1(((match[1] if match else "") + GUID).encode(), usedforsecurity=False).digest()
    return UPGRADE % base64.b64encode(digest)


async def frames(reader: asyncio.StreamReader) -> AsyncIterator[tuple[int, bytes]]:
    """Yield the frames of a client, short or of 64 KiB at most."""
    while True:
        first, second = await reader.readexactly(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
        mask = await reader.readexactly(4)
        masked = await reader.readexactly(size)
        yield first & 0x0F, bytes(byte ^ mask[at % 4] for at, byte in enumerate(masked))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Behave as the path asks for on one connection."""
    with suppress(OSError, asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        name = re.sub(r"-\d+$", "", head.split(" ", 2)[1].strip("/"))
        if name in OF_UPGRADE:
            await _refuse(name, writer)
        else:
            writer.write(upgraded(head))
            await _behave(name, reader, writer)
        await writer.drain()
    with suppress(OSError):
        writer.close()


async def _refuse(name: str, writer: asyncio.StreamWriter) -> None:
    writer.write(OF_UPGRADE[name])
    while name in {"endless-head", "refuse-endless", "silent-upgrade", "dripped-upgrade"}:
        writer.write(b"" if name == "silent-upgrade" else b"x" * (1 if name == "dripped-upgrade" else 65536))
        await writer.drain()
        await asyncio.sleep(0 if "endless" in name else 0.02)


async def _behave(name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    if name in OF_FRAMES:
        writer.write(OF_FRAMES[name])
        return
    if name in ENDLESS:
        beginning, rest = ENDLESS[name]
        writer.write(beginning)
        while True:
            writer.write(rest)
            await writer.drain()
    if name == "dripped-frame":
        writer.write(b"\x82\x7f" + struct.pack("!Q", 2**40))
    while name in {"deaf", "dripped-frame"}:
        writer.write(b"x" if name == "dripped-frame" else b"")
        await writer.drain()
        await asyncio.sleep(0.02)
    async for opcode, payload in frames(reader):
        if opcode == CLOSE and name != "never-closes":
            writer.write(frame(CLOSE, payload))
            return
        if opcode in {TEXT, BINARY} and name != "mute":
            writer.write(frame(opcode, payload))


async def main() -> None:
    """Listen until it is killed."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
