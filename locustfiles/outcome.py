"""What became of a request: answered well (None), or one of the contract's kinds of failure."""

from __future__ import annotations

from http import HTTPStatus

import gevent
from geventhttpclient.response import HTTPParseError

ERROR_PREFIX = b'{"error"'
"""An answer whose first key is "error"; looking at the prefix spares parsing every answer."""


def answer_kind(status: int, body: bytes) -> str | None:
    """Return the kind of failure of an answer, by its status and, for 200, its body."""
    if status == HTTPStatus.OK and body.startswith(ERROR_PREFIX):
        return "error_body"
    return {2: None, 4: "4xx", 5: "5xx"}.get(status // 100, "other")


def error_kind(error: BaseException) -> str:
    """Return the kind of failure of a request without an answer, by the error the client gave."""
    # geventhttpclient wraps the errors after which it would have sent an idempotent request again.
    match getattr(error, "original", error):
        case TimeoutError() | gevent.Timeout():
            return "timeout"
        # HTTPParseError: the connection was closed, before or within the answer.
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError() | HTTPParseError():
            return "reset"
        case OSError():
            return "connect"
        case _:
            return "other"
