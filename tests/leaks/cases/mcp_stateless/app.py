"""An MCP server without sessions; every request becomes a call of tools/list."""

import contextlib
import itertools
import json

from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.types import Tool
from serve import run
from starlette.applications import Starlette

server = Server("tools")
manager = StreamableHTTPSessionManager(app=server, stateless=True)
numbers = itertools.count(1)
HEADERS = [(b"content-type", b"application/json"), (b"accept", b"application/json, text/event-stream")]


@server.list_tools()
async def list_tools():
    return [Tool(name="add", description="Adds two numbers.", inputSchema={"type": "object"})]


@contextlib.asynccontextmanager
async def lifespan(_app):
    async with manager.run():
        yield


starlette = Starlette(lifespan=lifespan)


async def app(scope, receive, send):
    if scope["type"] != "http":
        await starlette(scope, receive, send)
        return
    while (await receive()).get("more_body"):
        pass
    call = {"jsonrpc": "2.0", "id": next(numbers), "method": "tools/list", "params": {}}
    body = iter([{"type": "http.request", "body": json.dumps(call).encode(), "more_body": False}])

    async def receive_call():
        return next(body, None) or await receive()

    await manager.handle_request({**scope, "headers": HEADERS}, receive_call, send)


run(app)
