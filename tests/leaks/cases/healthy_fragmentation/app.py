"""Blocks of mixed sizes, of which one in sixteen survives in the place of a random older one."""

import random

from serve import serve

draw = random.Random(1)
kept = [b""] * 6000


async def answer(n):
    blocks = [bytes(int(2 ** draw.uniform(5, 13))) for _ in range(16)]
    kept[draw.randrange(len(kept))] = draw.choice(blocks)
    return {"n": n}


serve(answer)
