"""How the incident's gateway sends a request to a service, before and after its fix: aiohttp with its defaults.

Except redirects: only configured services are asked, whatever address a service answers with.
"""

from __future__ import annotations

from typing import Any

import aiohttp

from gateway.upstreams import UpstreamResolver, Upstreams


def open_session(upstreams: Upstreams) -> aiohttp.ClientSession:
    """Return a session with aiohttp's own limits: 100 connections, 300 s for a request."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(resolver=UpstreamResolver(upstreams)))


async def ask(session: aiohttp.ClientSession, service_name: str, request_data: dict[str, Any]) -> Any:
    """Return the service's JSON answer, whatever its status; raises what aiohttp and its parsing raise."""
    url = f"http://{service_name}/api"
    async with session.get(url, json=request_data, allow_redirects=False) as response:
        return await response.json()
