"""Protects Locust's web UI, which usually has no login, from pages of other sites."""

from __future__ import annotations

import re
from typing import Final, cast

from flask import Flask, Response, request
from locust.web import WebUI
from werkzeug.datastructures import Headers

OWN_HOST: Final = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
"""The whole Host header of a request to the web UI: it is bound to loopback, and a tunnel ends at the same names."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
SECURITY_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "SAMEORIGIN",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # none at all makes the Origin of a form "null"
}
SOAK_PAGE_POLICY: Final = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'"
CROSS_ORIGIN: Final = ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials")


class WebGuard:
    """Refuses requests for another host name (DNS rebinding) and requests from pages of other sites.

    Pages below ``prefix``, the additions to the web UI, get a content security policy as well.
    """

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def register(self, web_ui: WebUI) -> None:
        """Check every request to the web UI."""
        app = cast(Flask, web_ui.app)
        app.before_request(self._check)
        # Locust adds open CORS headers after each request; the function added first runs last.
        app.after_request_funcs.setdefault(None, []).insert(0, self._add_headers)

    def _check(self) -> Response | None:
        if why := refusal(request.method, request.headers):
            return Response(f"{why}\n", 403, mimetype="text/plain")
        return None

    def _add_headers(self, response: Response) -> Response:
        for name in CROSS_ORIGIN:
            response.headers.pop(name, None)
        response.headers.update(SECURITY_HEADERS)
        if request.path.startswith(self._prefix) and response.mimetype == "text/html":
            response.headers.setdefault("Content-Security-Policy", SOAK_PAGE_POLICY)
        return response


def refusal(method: str, headers: Headers) -> str:
    """Return the reason to refuse a request, for people; empty when it is accepted."""
    host = headers.get("Host", "")
    if OWN_HOST.fullmatch(host) is None:
        return f"Host {host!r} is not this web UI; open it by the address that soak ui printed."
    origin = headers.get("Origin")
    if origin is not None and origin.lower() not in {
        f"{scheme}://{host.lower()}" for scheme in ("http", "https")
    }:
        return f"A page of {origin} may neither read this web UI nor change the load."
    followed_link = method in SAFE_METHODS and headers.get("Sec-Fetch-Mode") == "navigate"
    if headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"} and not followed_link:
        return "A page of another site may neither read this web UI nor change the load."
    return ""
