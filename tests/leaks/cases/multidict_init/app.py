"""Makes a multidict of another mapping."""

import sys

from aiohttp import web
from multidict import CIMultiDict


async def answer(request):
    await request.read()
    fields = CIMultiDict({"one": "1", "two": "2", "three": "3"})
    return web.json_response({"fields": len(fields)})


app = web.Application()
app.router.add_post("/api", answer)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
