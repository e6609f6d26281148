"""The OpenAPI document, which also describes the route that FastAPI does not see into."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from gateway.failures import REFUSALS
from gateway.upstreams import Upstreams


class DocumentedApp(FastAPI):
    """FastAPI, whose document has the plain route ``/api/{service}`` too, for these services."""

    def __init__(self, upstreams: Upstreams, **options: Any) -> None:
        super().__init__(**options)
        self._upstreams = upstreams

    def openapi(self) -> dict[str, Any]:
        """Return the document; it is made once."""
        if self.openapi_schema is None:
            self.openapi_schema = get_openapi(title=self.title, version=self.version, routes=self.routes)
            self.openapi_schema["paths"]["/api/{service}"] = {"post": _ask_a_service(self._upstreams)}
        return self.openapi_schema


def documented_error(description: str) -> dict[str, Any]:
    """Return a response whose body is ``{"error": message}``, as the document describes it."""
    error = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
    return {"description": description, "content": _json(error)}


def _ask_a_service(upstreams: Upstreams) -> dict[str, Any]:
    return {
        "summary": "Ask a service",
        "operationId": "forward",
        "parameters": [
            {
                "name": "service",
                "in": "path",
                "required": True,
                "description": "A configured service, or an instance of it such as orders-017.",
                "schema": {"type": "string", "pattern": upstreams.pattern},
            }
        ],
        "requestBody": {"required": True, "content": _json({"type": "object"})},
        "responses": {
            "200": {"description": "The service's answer.", "content": _json({})},
            **{str(refusal.status): documented_error(refusal.__doc__ or "") for refusal in REFUSALS},
        },
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
