"""A bounded LRU cache that fills for 24,000 requests."""

from cachetools import LRUCache
from serve import serve

cache = LRUCache(maxsize=24_000)


async def answer(n):
    cache[n] = b"%1000d" % n
    return {"n": n}


serve(answer)
