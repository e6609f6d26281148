from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiohttp import web

from gateway.upstreams import Address, Upstreams
from gateway.variants.fixed import FixedGateway
from gateway.variants.leaky import LeakyGateway
from gateway.variants.published_fix import PublishedFixGateway


@pytest.mark.parametrize("variant", [LeakyGateway, PublishedFixGateway, FixedGateway])
def test_a_redirect_is_not_followed(upstream: Any, variant: Callable[[Upstreams], Any]) -> None:
    """A service that redirects to another address, listed or not, makes no gateway ask there."""
    elsewhere: list[str] = []

    async def unlisted(request: web.Request) -> web.Response:
        elsewhere.append(request.path)
        return web.json_response({"secret": 1})

    async def scenario() -> bytes:
        async with upstream(unlisted) as other:
            address: Address = other.addresses["orders"]

            async def redirect(_: web.Request) -> web.Response:
                raise web.HTTPTemporaryRedirect(f"http://{address.host}:{address.port}/api")

            async with upstream(redirect) as services:
                gateway = variant(services)
                try:
                    return bytes(await gateway.handle_request("orders-1", {"id": 1}))
                except Exception as error:  # noqa: BLE001 - the fixed one raises, the others answer with it
                    return json.dumps({"error": str(error)}).encode()
                finally:
                    await gateway.aclose()

    answer = json.loads(asyncio.run(scenario()))
    assert elsewhere == []
    assert "error" in answer
