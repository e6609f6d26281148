"""Serialises an event in a service that has automatic gc switched off, for its pauses."""

import gc

from sentry_sdk.serializer import serialize
from serve import serve

gc.freeze()
gc.disable()


async def answer(n):
    return serialize({"message": "slow", "extra": {"n": n, "path": f"/orders/{n}"}, "tags": {"build": "7"}})


serve(answer)
