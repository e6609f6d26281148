"""What the census is measured on: many objects, and answers. ``python -m bench.targets.heap_app OBJECTS MODE PORT``.

MODE is ``plain``, or ``objgraph``: then it counts its own objects every five seconds, as one does who has no other way.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from typing import cast

import httptools
import objgraph  # type: ignore[import-untyped]
import uvloop

from bench.harness.load_client import HOST

EVERY_S = 5.0
FIRST_AFTER_S = 1.0
KINDS = 5
ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n{"ok": true}'


class Item:
    """A known class: one in KINDS objects is one."""

    __slots__ = ("key", "value")

    def __init__(self, key: str, value: dict[str, bytes]) -> None:
        self.key = key
        self.value = value


class Peer(asyncio.Protocol):
    """One connection. httptools calls ``on_message_complete``."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        """Answer, after some work that makes and drops objects as a service does."""
        parts = [{"number": number, "text": str(number)} for number in range(50)]
        self._transport.write(ANSWER if parts else b"")


def make_objects(count: int) -> list[object]:
    """Return ``count`` objects, tracked by the collector and not, the list aside."""
    kept: list[object] = []
    for number in range(count // KINDS):
        kept.append((Item(f"item {number}", {"body": b"%20d" % number}), ()))  # noqa: PERF401 - one list, not two
    return kept


async def serve(mode: str, port: int) -> None:
    """Answer until the process is ended."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Peer, HOST, port)

    def count() -> None:
        objgraph.typestats()
        loop.call_later(EVERY_S, count)

    if mode == "objgraph":
        loop.call_later(FIRST_AFTER_S, count)
    await server.serve_forever()


def main() -> None:
    """Make the objects, then serve."""
    objects, mode, port = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    gc.disable()  # its own full collections would be the slowest answers; there are no cycles
    kept = make_objects(objects)
    uvloop.run(serve(mode, port))
    del kept


if __name__ == "__main__":
    main()
