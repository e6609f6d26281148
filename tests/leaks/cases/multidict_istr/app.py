"""Sets fields with names of the request's number, and lists the names."""

import itertools
import sys

from aiohttp import web
from multidict import CIMultiDict

numbers = itertools.count(1)


async def answer(request):
    await request.read()
    n = next(numbers)
    fields = CIMultiDict()
    fields[f"X-Item-{n}"] = "here"
    fields[f"X-Next-{n}"] = "later"
    fields[f"X-Last-{n}"] = "gone"
    return web.json_response({"fields": list(fields)})


app = web.Application()
app.router.add_post("/api", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
