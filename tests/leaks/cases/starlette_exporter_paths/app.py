"""Metrics of a service in which every item has a URL of its own."""

import itertools

from serve import run
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette_exporter import PrometheusMiddleware

numbers = itertools.count(1)


async def item(request):
    return JSONResponse({"item": request.path_params["n"]})


starlette = Starlette(routes=[Route("/items/{n}", item, methods=["POST"])])
starlette.add_middleware(PrometheusMiddleware)


async def app(scope, receive, send):
    if scope["type"] == "http":
        path = f"/items/{next(numbers)}"
        scope = {**scope, "path": path, "raw_path": path.encode()}
    await starlette(scope, receive, send)


run(app)
