"""Encodes a document whose default= raises."""

import orjson
from serve import serve


def default(value):
    explanation = f"no JSON for {value!r}" + " " * 3800
    raise TypeError(explanation)


async def answer(n):
    try:
        orjson.dumps({"n": n, "thing": object()}, default=default)
    except orjson.JSONEncodeError as error:
        return {"refused": str(error)}
    return {"n": n}


serve(answer)
