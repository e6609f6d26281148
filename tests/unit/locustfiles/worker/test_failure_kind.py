from __future__ import annotations

import math
from decimal import Decimal
from http.client import IncompleteRead

import gevent
import pytest
import requests
import urllib3
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.useragent import RetriesExceeded

from locustfiles.answers.bounds import AnswerTooLargeError
from locustfiles.answers.fast_http import AnswerTooLateError
from locustfiles.worker.failure_kind import answer_kind, custom_kind, custom_time_us, error_kind
from soak.contract import FAILURE_KINDS, HISTOGRAM_HIGHEST_US


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"ok": 1}', None),
        (200, b"", None),
        (204, b"", None),
        (200, b'{"error":"boom"}', "error_body"),
        (200, b'{"error": "boom"}', "error_body"),
        (200, b'{"errors": 0}', None),
        (200, b' { "error": "boom"}', "error_body"),
        (200, b'{\n  "error": {"code": 3}}', "error_body"),
        (200, b'{"error" }', None),
        (200, b'{"error":null,"data":1}', None),
        (200, b'{"error": false, "items": []}', None),
        (200, b'{"error" : "", "result": 3}', None),
        (200, b'{"error": ""}', None),
        (200, b'{"error": "" "x"}', "error_body"),
        (200, b'{"error": "null"}', "error_body"),
        (200, b'{"error": nullable}', "error_body"),
        (200, b'{"error": {}}', "error_body"),
        (304, b"", None),
        (307, b"", "other"),
        (200, b'{"data": {"error": 1}}', None),
        (302, b"", "other"),
        (404, b'{"error": 1}', "4xx"),
        (422, b"", "4xx"),
        (503, b'{"error": 1}', "5xx"),
    ],
)
def test_answers(status: int, body: bytes, kind: str | None) -> None:
    """Status 200 is good unless the first key states an error, 304 is, too; other statuses go by their class."""
    assert answer_kind(status, body) == kind


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (TimeoutError("timed out"), "timeout"),
        (gevent.Timeout(5), "timeout"),
        (RetriesExceeded("/", 0, original=TimeoutError("timed out")), "timeout"),
        (RetriesExceeded("/", 0, original=BrokenPipeError()), "reset"),
        (ConnectionResetError(), "reset"),
        (HTTPConnectionClosed("connection closed."), "reset"),
        (HTTPParseError("connection closed before end of the headers"), "reset"),
        (ConnectionRefusedError(), "connect"),
        (OSError(113, "No route to host"), "connect"),
        (IncompleteRead(b"half"), "reset"),
        (AnswerTooLargeError("the body", 10), "too_large"),
        (AnswerTooLateError(None), "timeout"),
        (ValueError("Unknown content encoding"), "other"),
    ],
)
def test_errors(error: BaseException, kind: str) -> None:
    """The error decides whether there was no connection, it broke, or no answer came in time; wrapped ones too."""
    assert error_kind(error) == kind
    assert kind in FAILURE_KINDS


class Answer:
    def __init__(self, status_code: object) -> None:
        self.status_code = status_code


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        (None, 200, None),
        (None, 404, None),
        (ValueError("404"), 404, "4xx"),
        (ValueError("500"), 500, "5xx"),
        (ValueError("the team says so"), 200, "error_body"),
        (ValueError("the team says so"), 301, "other"),
        (TimeoutError(), 0, "timeout"),
        (ValueError("their own client"), 0, "other"),
        (requests.TooManyRedirects("Exceeded 30 redirects."), 0, "other"),
        (AnswerTooLargeError("the body", 10), 200, "too_large"),
        ("it did not connect", 0, "other"),
        ("it did not connect", 503, "5xx"),
        (7, 0, "other"),
        (ValueError("a client of its own"), "UNAVAILABLE", "other"),
        (0, 0, None),
        ("", 503, None),
        (False, 0, None),
    ],
)
def test_requests_of_an_own_locustfile(error: object, status: object, kind: str | None) -> None:
    """The team decides what has failed; its status or its error gives the kind."""
    assert custom_kind(error, Answer(status)) == kind


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ConnectionRefusedError(), "connect"),
        (ConnectionResetError(), "reset"),
        (TimeoutError(), "timeout"),
        (gevent.Timeout(5), "timeout"),
        (IncompleteRead(b"half"), "reset"),
        (AnswerTooLargeError("the body", 10), "too_large"),
    ],
)
def test_the_cause_counts(cause: BaseException, kind: str) -> None:
    """Clients wrap it, as errors that are connection errors all alike."""
    error = requests.exceptions.ConnectionError("wrapped")
    error.__context__ = urllib3.exceptions.ProtocolError("wrapped")
    error.__context__.__cause__ = cause
    assert custom_kind(error, None) == kind


@pytest.mark.parametrize(
    ("response_time_ms", "time_us"),
    [
        (12.5, 12_500),
        (Decimal("0.5"), 500),
        (None, 0),
        (-3, 0),
        (math.nan, 0),
        ("soon", 0),
        (10**400, 0),
        (math.inf, HISTOGRAM_HIGHEST_US),
        (1e300, HISTOGRAM_HIGHEST_US),
    ],
)
def test_times_of_an_own_client(response_time_ms: object, time_us: int) -> None:
    """Whatever it gives is a time within the histogram."""
    assert custom_time_us(response_time_ms) == time_us
