"""What a service sends over a WebSocket: frames, and bytes that are none."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Final

from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from locustfiles.answers.bounds import AnswerTooLargeError
from locustfiles.worker.websocket import EndedError, WebSocket
from tests.fuzz.entry import Kind
from tests.support.rogue_websockets import BINARY, CLOSE, ENDLESS, OF_FRAMES, PING, TEXT, frame, upgraded

MAX_BYTES: Final = 100_000
OPCODES: Final = (TEXT, TEXT, BINARY, PING, 10)
SIZES: Final = (0, 1, 125, 126, 5000, 65_536, MAX_BYTES + 1)
UPGRADE_ERRORS: Final = (RemoteProtocolError, LocalProtocolError, ValueError)
"""What the parser raises of an upgrade that is none."""


class Wire:
    """A connection whose other side answers the upgrade, sends what it is given in pieces, and ends."""

    def __init__(self, random: Random, content: bytes, *, upgrade: bool) -> None:
        self._random, self._content, self._upgrade = random, content, upgrade

    def sendall(self, data: bytes) -> None:
        """Take the upgrade; what else is sent is dropped."""
        if data.startswith(b"GET ") and self._upgrade:
            self._content = upgraded(data.decode()) + self._content

    def recv(self, size: int) -> bytes:
        """Return the next piece, empty at the end."""
        size = min(size, self._random.choice((1, 7, 500, 16_384, 16_384)))
        piece, self._content = self._content[:size], self._content[size:]
        return piece

    def setsockopt(self, *_: object) -> None:
        """Do nothing."""


class WebSockets(Kind):
    """Frames and other bytes, from the opening of a WebSocket to its close."""

    name = "websockets"
    inputs = 3000
    cost_ms = 1.5

    def __init__(self, scratch: Path) -> None:
        del scratch

    def try_one(self, random: Random) -> str:
        """Each message is counted once, and what is no frame ends the connection by an error that is foreseen."""
        content, messages = b"", 0
        for _ in range(random.randint(0, 8)):
            opcode = random.choice(OPCODES)
            size = random.choice(SIZES[:3] if opcode > BINARY else SIZES)
            content += frame(opcode, b"x" * size)
            messages += opcode <= BINARY
        if damaged := random.random() < 0.7:
            content = _damaged(random, content)
        received: list[int] = []
        wire = Wire(random, content, upgrade=not damaged or random.random() < 0.8)
        websocket = WebSocket(wire, MAX_BYTES, 5.0, lambda: 0.0, lambda: received.append(1))
        opened, end = False, ""
        try:
            websocket.open("shop", "/", {})
            opened = True
            while not websocket.closed:
                websocket.receive(1.0)
            websocket.close(1.0)
        except (OSError, EndedError, AnswerTooLargeError) as error:
            end = type(error).__name__
        except UPGRADE_ERRORS:
            if opened:
                raise
        if not damaged and end == "ConnectionResetError" and len(received) != messages:
            return f"{len(received)} of {messages} messages"
        return ""


def _damaged(random: Random, content: bytes) -> bytes:
    """Return bytes with some of them changed, left out or put in, among them pieces that are hostile."""
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 8))):
        at = random.randint(0, len(damaged))
        match random.choice(("flip", "cut", "put", "hostile")):
            case "flip" if damaged:
                damaged[at - 1] ^= 1 << random.randrange(8)
            case "cut":
                del damaged[at : at + random.choice((1, 2, 9))]
            case "put":
                damaged[at:at] = random.randbytes(random.choice((1, 2, 9)))
            case _:
                hostile = (*OF_FRAMES.values(), *map(b"".join, ENDLESS.values()), frame(CLOSE, b"\x03\xe8"))
                damaged[at:at] = random.choice(hostile)
    return bytes(damaged)
