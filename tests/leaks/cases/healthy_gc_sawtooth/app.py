"""Cyclic garbage that is reclaimed rarely, as automatic gc waits for many objects."""

import gc

from sentry_sdk.serializer import serialize
from serve import serve

gc.set_threshold(300_000, 2, 2)


async def answer(n):
    return serialize({"message": "slow", "extra": {"n": n, "path": f"/orders/{n}"}, "tags": {"build": "7"}})


serve(answer)
