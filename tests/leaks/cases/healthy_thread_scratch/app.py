"""A pool that starts a thread when none is idle, 24 at most; each keeps 768 kB of scratch for itself."""

import asyncio
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from serve import serve

draw = random.Random(1)
own = threading.local()


def give_scratch():
    own.scratch = bytearray(b"x") * (768 << 10)


pool = ThreadPoolExecutor(24, initializer=give_scratch)


def work(seconds):
    time.sleep(seconds)
    return len(own.scratch)


async def answer(n):
    return {
        "n": n,
        "scratch": await asyncio.get_running_loop().run_in_executor(pool, work, draw.expovariate(30)),
    }


serve(answer)
