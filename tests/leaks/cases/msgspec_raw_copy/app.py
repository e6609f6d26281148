"""Decodes a message and copies a part that stays undecoded."""

import msgspec
from serve import serve


class Message(msgspec.Struct):
    id: int
    payload: msgspec.Raw


async def answer(n):
    text = b'{"id": %d, "payload": {"a": [1, 2, 3], "b": "text text text"}}' % n
    return {"bytes": len(memoryview(msgspec.json.decode(text, type=Message).payload.copy()))}


serve(answer)
