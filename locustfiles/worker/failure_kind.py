"""The kind of failure of a request: one of ``soak.contract.FAILURE_KINDS``, or None when it was answered well."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from http.client import IncompleteRead
from typing import cast

import gevent
from geventhttpclient.response import HTTPParseError
from requests import RequestException

from locustfiles.answers.bounds import AnswerTooLargeError
from locustfiles.answers.fast_http import AnswerTooLateError
from soak.contract import HISTOGRAM_HIGHEST_US

ERROR_BODY = re.compile(rb'\s*\{\s*"error"\s*:(?!\s*(?:null|false|"")\s*[,}])')
"""Beginning of a JSON object whose first key is "error" and which states one; comparing it avoids parsing all."""


def answer_kind(status: int, body: bytes) -> str | None:
    """Return the kind of failure of an answer, by its status and, for 200, its body; 304 answers a condition well."""
    if status == HTTPStatus.OK and ERROR_BODY.match(body):
        return "error_body"
    if status == HTTPStatus.NOT_MODIFIED:
        return None
    return {2: None, 4: "4xx", 5: "5xx"}.get(status // 100, "other")


def error_kind(error: BaseException) -> str:
    """Return the kind of failure of a request without an answer, by the error the client raised."""
    # geventhttpclient wraps the errors after which it would have sent an idempotent request again.
    match getattr(error, "original", error):
        case TimeoutError() | gevent.Timeout() | AnswerTooLateError():
            return "timeout"
        case AnswerTooLargeError():
            return "too_large"
        case RequestException():  # an OSError of no socket: its cause counts
            return "other"
        # The last two: the connection was closed, before or within the answer.
        case (
            ConnectionResetError()
            | ConnectionAbortedError()
            | BrokenPipeError()
            | HTTPParseError()
            | IncompleteRead()
        ):
            return "reset"
        case OSError():
            return "connect"
        case _:
            return "other"


def custom_kind(error: object, response: object) -> str | None:
    """Return the kind of failure of a request of a custom locustfile, from Locust's event.

    The locustfile decides what a failure is: a status of 404 may be a success, and one of 200 a failure. Its clients
    may give a text or a number as the error; as for Locust, one that is false, as "" and 0, is none.
    """
    if not error:
        return None
    status = getattr(response, "status_code", 0)
    if isinstance(status, int) and status and not isinstance(error, AnswerTooLargeError | AnswerTooLateError):
        return "error_body" if status // 100 == 2 else answer_kind(status, b"") or "other"
    kinds = {error_kind(cause) for cause in _causes(error)}
    return next((kind for kind in ("too_large", "timeout", "reset", "connect") if kind in kinds), "other")


def custom_time_us(response_time_ms: object) -> int:
    """Return the time of a request of a custom locustfile, from Locust's event: one that is no number counts as 0."""
    try:
        time_us = float(cast(float, response_time_ms)) * 1000
    except (TypeError, ValueError, OverflowError):
        return 0
    return round(min(max(0.0, time_us), HISTOGRAM_HIGHEST_US))


def _causes(error: object) -> Iterator[BaseException]:
    """Yield the error, if it is an exception, and its causes: HTTP clients wrap the errors of the socket."""
    seen: set[int] = set()
    cause = error if isinstance(error, BaseException) else None
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__
