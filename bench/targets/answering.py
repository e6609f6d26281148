"""The target of load generators: it answers each request at once, with 256 bytes, and counts.

``python -m bench.targets.answering PORT``; ``GET /answered`` returns the number of answers so far.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Final, cast

import httptools
import uvloop

HEAD: Final = (
    "HTTP/1.1 200 OK\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\nserver: uvicorn\r\n"
    "content-length: {}\r\ncontent-type: application/json\r\n\r\n"
)
"""The head as uvicorn sends it."""
BODY: Final = b'{"data": "' + b"x" * 244 + b'"}'
ANSWER: Final = HEAD.format(len(BODY)).encode() + BODY


class Answering(asyncio.Protocol):
    """A connection, whose requests are answered in order. httptools calls the ``on_`` methods."""

    answered = 0

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._path = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection stands."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """The path has come."""
        self._path = url

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self._path.startswith(b"/api/"):
            type(self).answered += 1
            self._transport.write(ANSWER)
        else:
            text = str(self.answered)
            self._transport.write(f"{HEAD.format(len(text))}{text}".encode())


async def serve(port: int) -> None:
    """Answer until the process ends."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
