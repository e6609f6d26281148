"""Decodes integers beyond 64 bits."""

import ujson
from serve import serve

DOCUMENT = (
    '{"account": 123456789012345678901234567890, "ref": 340282366920938463463374607431768211456, "id": %d}'
)


async def answer(n):
    return {"account": str(ujson.loads(DOCUMENT % n)["account"])}


serve(answer)
