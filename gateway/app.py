"""The HTTP side, the same for every variant: routes, checks of the request, statuses."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gateway.debug import add_debug_routes
from gateway.failures import (
    FailureLog,
    InvalidBodyError,
    OverloadedError,
    RequestFailedError,
    TooLargeError,
)
from gateway.interface import Gateway, Stats
from gateway.metrics import Metrics
from gateway.openapi import DocumentedApp
from gateway.upstreams import Upstreams

MAX_BODY_BYTES: Final = 1024 * 1024
API: Final = "/api/"
"""Path of the services, in front of a service's name."""
NO_TELEMETRY: Final[TelemetryConfig] = {"tracing": False, "metrics": False, "logs": False}
"""FastAPI would look for a configuration of OpenTelemetry with each request; figures are at /metrics."""


def create_app(
    build: Callable[[], Gateway], upstreams: Upstreams, *, debug_token: str | None = None
) -> FastAPI:
    """Return the application; ``build`` makes the gateway, at startup and inside the event loop.

    The gateway is ``app.state.gateway`` while the application runs. Without a debug token there are no
    debug routes.
    """

    def stats() -> Stats:
        gateway: Gateway = app.state.gateway
        return gateway.stats()

    metrics = Metrics(stats)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        gateway = build()
        app.state.gateway = gateway
        register_gauges(gateway)
        try:
            yield
        finally:
            await gateway.aclose()

    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    async def show_metrics() -> Response:
        return metrics.response()

    app = GatewayApp(upstreams, title="gateway", lifespan=lifespan, telemetry=NO_TELEMETRY)
    app.forward = forward = _Forward(app, upstreams, metrics)
    # A plain route: FastAPI's own would parse and validate what _Forward streams and checks itself.
    app.router.routes.insert(0, Route(API + "{service}", forward, methods=["POST"]))
    app.add_api_route("/healthz", healthz)
    app.add_api_route("/metrics", show_metrics, response_class=PlainTextResponse)
    if debug_token is not None:
        add_debug_routes(app, debug_token)
    app.add_exception_handler(HTTPException, _http_exception)
    return app


class GatewayApp(DocumentedApp):
    """FastAPI, past whose layers the requests to services go: they need no middleware, and their errors are ours."""

    forward: _Forward

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle an ASGI connection."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"].startswith(API):
            service_name = scope["path"].removeprefix(API)
            if service_name and "/" not in service_name:
                await self.forward.answer(service_name, receive, send)
                return
        await super().__call__(scope, receive, send)


class _Forward:
    """Answers ``POST /api/{service}``. An ASGI application of its own, without Starlette's wrapping."""

    def __init__(self, app: FastAPI, upstreams: Upstreams, metrics: Metrics) -> None:
        self._app = app
        self._upstreams = upstreams
        self._metrics = metrics
        self._failures = FailureLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(scope["path_params"]["service"], receive, send)

    async def answer(self, service_name: str, receive: Receive, send: Send) -> None:
        """Answer a request for an instance of a service."""
        started_s = time.perf_counter()
        response = await self._answer(service_name, receive)
        self._metrics.observe(response.status_code, time.perf_counter() - started_s)
        await send(
            {"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers}
        )
        await send({"type": "http.response.body", "body": response.body})

    async def _answer(self, service_name: str, receive: Receive) -> Response:
        gateway: Gateway = self._app.state.gateway
        try:
            self._upstreams.service_of(service_name)  # before anything else: no request chooses a host
            request_data = parse_object(await read_body(receive))
            return json_response(await gateway.handle_request(service_name, request_data))
        except ClientDisconnect:
            return Response(status_code=499)  # nobody is left to read it
        except RequestFailedError as failure:
            self._failures.record(failure)
            return error_response(failure)
        except Exception as error:  # noqa: BLE001  a defect of ours: one logged traceback, and service goes on
            self._failures.record(error)
            return error_response(RequestFailedError("internal error"))


async def read_body(receive: Receive) -> bytes:
    """Return the request body; raises TooLargeError as soon as more than MAX_BODY_BYTES have come.

    Raises ClientDisconnect when the client leaves before its end.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk: bytes = message.get("body", b"")
        if len(body) + len(chunk) > MAX_BODY_BYTES:
            raise TooLargeError(f"the body is longer than {MAX_BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return bytes(body) + chunk if body else chunk
        body += chunk


def parse_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in ``body``; raises InvalidBodyError for anything else, or nested over 200 deep."""
    try:
        data = from_json(body, allow_inf_nan=False, cache_strings="none")
    except ValueError as error:
        raise InvalidBodyError(f"the body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise InvalidBodyError(f"the body must be a JSON object, not {type(data).__name__}")
    return data


def json_response(content: bytes, status: int = 200) -> Response:
    """Return a response whose body is the JSON text ``content``."""
    return Response(content, status, media_type="application/json")


def error_response(failure: RequestFailedError) -> Response:
    """Return ``{"error": message}`` with the failure's status, and Retry-After where it makes sense."""
    response = json_response(json.dumps({"error": str(failure)}).encode(), failure.status)
    if isinstance(failure, OverloadedError):
        response.headers["Retry-After"] = str(failure.retry_after_s)
    return response


def register_gauges(gateway: Gateway) -> None:
    """Register the sizes of cache and history as gauges of the probe, where a harness has injected one."""
    probe = sys.modules.get("soak_probe")
    if probe is not None:
        probe.gauge("cache_entries", lambda: float(gateway.stats().cache_entries))
        probe.gauge("history_entries", lambda: float(gateway.stats().history_entries))


async def _http_exception(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  it is registered for no other
    return Response(
        json.dumps({"error": error.detail}), error.status_code, error.headers, media_type="application/json"
    )
