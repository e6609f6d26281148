"""Encodes a long document that ends in something that has no JSON."""

import ujson
from serve import serve

TEXT = "x" * 70_000


async def answer(n):
    try:
        ujson.dumps({"text": TEXT, "thing": {1}})
    except (OverflowError, TypeError, ValueError) as error:
        return {"n": n, "refused": str(error)[:80]}
    return {"n": n}


serve(answer)
