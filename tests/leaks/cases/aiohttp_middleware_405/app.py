"""A POST where only GET is allowed; the application's own middleware turns the 405 into a JSON answer."""

import sys

from aiohttp import web


@web.middleware
async def errors_as_json(request, handler):
    await request.read()
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        return web.json_response({"allowed": sorted(error.allowed_methods)})


async def get(_request):
    return web.json_response({})


app = web.Application(middlewares=[errors_as_json])
app.router.add_get("/api", get)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None)
