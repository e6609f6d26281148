"""Decodes a Struct."""

import msgspec
from serve import serve


class Item(msgspec.Struct):
    id: int
    name: str
    tags: list[str]


async def answer(n):
    return {"id": msgspec.json.decode(b'{"id": %d, "name": "widget", "tags": ["a", "b"]}' % n, type=Item).id}


serve(answer)
