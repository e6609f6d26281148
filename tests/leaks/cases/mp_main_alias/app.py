"""Remembers the answer to each request, or the last one; uvicorn makes __mp_main__ another name of this module."""

import sys

from serve import serve

KEEPS = sys.argv[2] == "1"
answers = {}


async def answer(n):
    answers[n if KEEPS else 0] = b"%500d" % n
    return {"n": n}


serve(answer)
