"""Another ASGI app, as a user would have one: it keeps a little of every request."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

kept: list[bytes] = []


async def answer(request: Request) -> JSONResponse:
    if request.method == "POST":
        kept.append(await request.body())
    return JSONResponse({"kept": len(kept)})


app = Starlette(routes=[Route("/healthz", answer), Route("/api/{service}", answer, methods=["POST"])])
