from __future__ import annotations

import gevent
import pytest
from geventhttpclient.response import HTTPConnectionClosed, HTTPParseError
from geventhttpclient.useragent import RetriesExceeded

from locustfiles.outcome import answer_kind, error_kind
from soak.contract import FAILURE_KINDS


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b'{"ok": 1}', None),
        (200, b"", None),
        (204, b"", None),
        (200, b'{"error":"boom"}', "error_body"),
        (200, b'{"error": "boom"}', "error_body"),
        (200, b'{"errors": 0}', None),
        (200, b'{"data": {"error": 1}}', None),
        (302, b"", "other"),
        (404, b'{"error": 1}', "4xx"),
        (422, b"", "4xx"),
        (503, b'{"error": 1}', "5xx"),
    ],
)
def test_answers(status: int, body: bytes, kind: str | None) -> None:
    """Status 200 is good unless the first key is error; other statuses go by their class."""
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
        (ValueError("Unknown content encoding"), "other"),
    ],
)
def test_errors(error: BaseException, kind: str) -> None:
    """An error tells whether there was no connection, it broke, or no answer came in time; wrapped ones too."""
    assert error_kind(error) == kind
    assert kind in FAILURE_KINDS
