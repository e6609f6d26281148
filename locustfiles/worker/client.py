"""The HTTP client of a user: one connection that is kept, without what a planned request does not need.

Redirects are not followed, and the parts of a request that are the same each time are made and checked once: Locust's
own client spends most of a request's processor time on them.
"""

from __future__ import annotations

import errno
import re
import select
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, cast

import geventhttpclient.client
from gevent.monkey import get_original
from geventhttpclient.client import IDEMPOTENT_METHODS, HTTPClient
from geventhttpclient.connectionpool import ConnectionPool, SSLConnectionPool
from geventhttpclient.header import Headers
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError, HTTPSocketPoolResponse
from geventhttpclient.url import URL, requote_uri
from geventhttpclient.useragent import CompatResponse
from locust.contrib.fasthttp import FastHttpSession, FastRequest, insecure_ssl_context_factory

from locustfiles.schedule.requests import PlannedRequest

READ_BYTES: Final = 16 * 1024
"""Most bytes that are read from a connection at a time."""
NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
AS_IT_IS: Final = re.compile(r"/[\w/.~,;:@!$&'()*+=-]*(\?[\w/.~,;:@!$&'()*+=?-]*)?", re.ASCII)
"""Paths and queries in which nothing needs quoting."""
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests have a length even without a body."""
KEPT_HEADS: Final = 256
"""Number of sets of headers that are kept with their text."""


@lru_cache(KEPT_HEADS)
def header_lines(headers: tuple[tuple[str, str], ...]) -> str:
    """Return the lines of a planned request's headers and of those that Locust's client adds; raises ValueError."""
    given = {name.lower() for name, _ in headers}
    lines = [(name, value) for name, value in HTTPClient.DEFAULT_HEADERS.items() if name.lower() not in given]
    lines += headers
    if "accept-encoding" not in given:
        lines.append(("Accept-Encoding", "gzip, deflate, br"))
    for name, value in lines:
        if not NAME.fullmatch(name) or not VALUE.fullmatch(value):
            raise ValueError(f"the header {name!r} cannot be sent")
    return "".join(f"{name}: {value}\r\n" for name, value in lines)


class ArmClient:
    """Sends one request at a time to a target; the caller sets the deadline.

    It is the pool of its own responses: they give the connection back, or give it up. A response gives it back at the
    end of the answer, also where more follows that is none: ``close`` after each error of a request or its answer.
    """

    def __init__(self, session: FastHttpSession, timeout_s: float) -> None:
        """Take base URL, credentials and cookies of a session of Locust's; ``timeout_s`` is for connecting."""
        self._base = session.base_url or ""
        self._cookies = session.cookiejar
        self._has_cookies = False
        self._authorization = session.auth_header
        url = URL(self._base)
        self._base_path = url.request_uri
        host = f"[{url.host}]" if ":" in url.host else url.host
        self._host_line = f"Host: {host}{'' if url.port in (80, 443) else f':{url.port}'}\r\n"
        self._pool = _pool(url, timeout_s)
        self._kept: Any = None
        """The connection, while no request is under way."""
        self._idle = get_original("select", "poll")()
        self._kept_fd = -1

    def close(self) -> None:
        """Close the connection; the next request opens another one. Idempotent."""
        if (kept := self._take_kept()) is not None:
            self._pool.release_socket(kept)

    def send(self, request: PlannedRequest) -> HTTPSocketPoolResponse:
        """Send a request, and return its answer once the head is there.

        Where the target closes a kept connection without an answer, one of an idempotent method is sent once more over
        a new one (RFC 9112, 9.5): it may have been closed before the request came.

        Raises ValueError for a request that cannot be sent, OSError, and what the parser of the answer raises.
        """
        method = request.method
        message = self._message(request)
        while True:
            kept = self._open_kept()
            connection = kept or self._made()
            cut = self._send(connection, message)
            try:
                # looked up here: bound_answers sets it
                response = geventhttpclient.client.HTTPSocketPoolResponse(
                    connection, cast(ConnectionPool, self), block_size=READ_BYTES, method=method
                )
                break
            except (OSError, HTTPParseError) as error:
                self.close()  # an answer that was complete before the error has given the connection back
                unanswered = cut or isinstance(error, HTTPConnectionClosed)
                if kept is None or not unanswered or method not in IDEMPOTENT_METHODS:
                    raise
        if "set-cookie" in response:
            self._has_cookies = True
            self._cookies.extract_cookies(cast(Any, CompatResponse(response)), self._as_locust(request))
        return response

    def return_socket(self, connection: Any) -> None:
        """Keep the connection, after an answer that was read to its end."""
        self._kept = connection
        if (fd := connection.fileno()) != self._kept_fd:
            if self._kept_fd >= 0:
                self._idle.unregister(self._kept_fd)
            self._idle.register(fd, select.POLLIN)
            self._kept_fd = fd

    def release_socket(self, connection: Any) -> None:
        """Close a connection that cannot be used again."""
        self._pool.release_socket(connection)

    def _open_kept(self) -> Any:
        """Return the kept connection, where it is there and the target has not closed it."""
        kept = self._take_kept()
        # it has nothing to say between two requests but that it is closed
        if kept is not None and self._idle.poll(0):
            self._pool.release_socket(kept)
            return None
        return kept

    def _made(self) -> Any:
        made = self._pool.get_socket()
        made.settimeout(None)  # the caller's deadline is for all of the request
        return made

    def _take_kept(self) -> Any:
        kept, self._kept = self._kept, None
        return kept

    def _send(self, connection: Any, message: bytes) -> bool:
        """Send, and return whether the target closed the connection meanwhile: it may have answered before that."""
        try:
            # sendall asks for the size of the buffer first
            if (sent := connection.send(message)) < len(message):
                connection.sendall(memoryview(message)[sent:])
        except OSError as error:
            if error.errno in (errno.ECONNRESET, errno.EPIPE):
                return True
            self._pool.release_socket(connection)
            raise
        except BaseException:  # gevent's time-out is no Exception; half a request was sent
            self._pool.release_socket(connection)
            raise
        return False

    def _message(self, request: PlannedRequest) -> bytes:
        path, body = self._base_path + request.path, request.body
        if not AS_IT_IS.fullmatch(path):
            path = requote_uri(URL(self._base + request.path).request_uri)
        headers = tuple(request.headers.items())
        if self._authorization:
            headers += (("Authorization", self._authorization),)
        lines = header_lines(headers)
        if self._has_cookies:
            lines += self._cookie_line(request)
        if body or request.method in WITH_BODY:
            lines = f"{lines}{self._host_line}Content-Length: {len(body)}\r\n\r\n"
        else:
            lines = f"{lines}{self._host_line}\r\n"
        return f"{request.method} {path} HTTP/1.1\r\n{lines}".encode("latin-1") + body

    def _cookie_line(self, request: PlannedRequest) -> str:
        asked = self._as_locust(request)
        if "cookie" in asked.headers:
            return ""
        self._cookies.add_cookie_header(asked)
        return f"Cookie: {asked.headers['Cookie']}\r\n" if "cookie" in asked.headers else ""

    def _as_locust(self, request: PlannedRequest) -> FastRequest:
        headers: Mapping[str, str] = request.headers
        return FastRequest(self._base + request.path, request.method, headers=Headers(headers))


def content_of(response: HTTPSocketPoolResponse) -> bytes:
    """Read an answer to its end; return its body, decoded.

    Raises as ``send``, and ValueError or zlib.error for a body that cannot be decoded.
    """
    if "content-encoding" in response:
        return CompatResponse(response).content
    return response.read()


def _pool(url: URL, timeout_s: float) -> ConnectionPool:
    options: dict[str, Any] = {
        "connection_host": url.host,
        "connection_port": url.port,
        "request_host": url.host,
        "request_port": url.port,
        "size": 1,
        "connection_timeout": timeout_s,
        "network_timeout": timeout_s,
    }
    if url.scheme != "https":
        return ConnectionPool(**options)
    # as Locust's client, which checks no certificate
    return SSLConnectionPool(insecure=True, ssl_context_factory=insecure_ssl_context_factory, **options)
