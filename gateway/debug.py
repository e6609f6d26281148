"""``GET /debug/memory``, for clients on this machine that have the token."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from gateway.diagnostics import MemoryDiagnostics
from gateway.openapi import documented_error

TOKEN_VARIABLE: Final = "GATEWAY_DEBUG_TOKEN"  # noqa: S105  its name, not its value

_TOKEN = re.compile(r"[!-~]{16,}")
_BEARER = HTTPBearer(auto_error=False)


def read_token(environment: Mapping[str, str]) -> str | None:
    """Return the debug token, None when it is not set; raises ValueError when it is invalid."""
    token = environment.get(TOKEN_VARIABLE)
    if token and not _TOKEN.fullmatch(token):
        raise ValueError(
            f"{TOKEN_VARIABLE} must be 16 or more ASCII characters without spaces; "
            "openssl rand -hex 16 makes one"
        )
    return token or None


def add_debug_routes(app: FastAPI, token: str) -> None:
    """Add ``GET /debug/memory?description=...``: JSON of a snapshot, and its text.

    403 for a peer that is not on loopback, even with the token; 401 without the token as ``Authorization: Bearer``.
    Each answer pauses the event loop, see MemoryDiagnostics.take_snapshot.
    """
    diagnostics = MemoryDiagnostics()

    async def guard(
        request: Request, sent: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)]
    ) -> None:
        if not _is_loopback(request):
            raise HTTPException(403, "only for clients on this machine")
        if sent is None or not hmac.compare_digest(sent.credentials.encode(), token.encode()):
            raise HTTPException(401, "the debug token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    async def memory(description: str = "") -> dict[str, Any]:
        snapshot = diagnostics.take_snapshot(description)
        return {**asdict(snapshot), "text": snapshot.text()}

    app.add_api_route(
        "/debug/memory",
        memory,
        dependencies=[Depends(guard)],
        summary="Memory and objects of this process",
        responses={
            401: documented_error("The token is missing or wrong."),
            403: documented_error("The client is not on this machine."),
        },
    )


def _is_loopback(request: Request) -> bool:
    return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
