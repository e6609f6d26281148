from __future__ import annotations

import gzip
import io
import itertools
from collections.abc import Callable
from http.client import HTTPException

import gevent
import pytest
import requests
import urllib3.connection
import urllib3.response
from locust.clients import HttpSession
from locust.env import Environment
from urllib3.exceptions import ProtocolError

from locustfiles.answers.bounds import AnswerBounds, AnswerTooLargeError, InFlight
from locustfiles.answers.requests_http import bound_answers, bound_requests
from locustfiles.worker.failure_kind import custom_kind
from tests.support.rogue_server import ENDLESS, OK

MAX_BYTES = 1 << 20


class Endless(io.RawIOBase):
    """A connection on which an answer begins and then goes on for ever, or ends."""

    def __init__(self, beginning: bytes, rest: bytes = b"") -> None:
        self._pieces = itertools.chain([beginning], itertools.repeat(rest) if rest else ())
        self._piece = b""

    def makefile(self, _: str) -> io.BufferedReader:
        """Return the file that the client reads, as of a socket."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Give the next bytes."""
        while not self._piece:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._piece = piece
        size = min(len(buffer), len(self._piece))
        buffer[:size], self._piece = self._piece[:size], self._piece[size:]
        return size


@pytest.fixture
def bounds(monkeypatch: pytest.MonkeyPatch) -> AnswerBounds:
    """Bound the answers of this process for one test."""
    made = AnswerBounds(MAX_BYTES, 0.1, InFlight(2 * MAX_BYTES))
    bound_answers(made, monkeypatch.setattr)
    bound_requests(made, monkeypatch.setattr)
    return made


def _read(connection: Endless) -> bytes:
    """Read an answer as requests does."""
    response = urllib3.connection.HTTPConnection.response_class(connection, method="GET")  # type: ignore[arg-type]
    response.begin()
    answer = urllib3.response.HTTPResponse(
        body=response,
        headers=list(response.getheaders()),  # type: ignore[arg-type]
        preload_content=False,
        original_response=response,
    )
    return b"".join(answer.stream(10 * 1024, decode_content=True))


@pytest.mark.parametrize("name", ENDLESS)
def test_an_endless_answer_is_an_error(bounds: AnswerBounds, name: str) -> None:
    """Whatever part of the answer has no end, and while the error is kept nothing of the answer is."""
    with pytest.raises((AnswerTooLargeError, ProtocolError, HTTPException)) as caught:
        _read(Endless(*ENDLESS[name]))
    assert str(caught.value)
    assert bounds.in_flight is not None
    assert bounds.in_flight.total == 0


def test_a_body_that_decodes_to_too_much(bounds: AnswerBounds) -> None:
    """The bound itself is allowed, a byte more is not, however few bytes were sent."""
    for size in (MAX_BYTES, MAX_BYTES + 1):
        body = gzip.compress(bytes(size))
        answer = Endless(OK + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        if size == MAX_BYTES:
            assert _read(answer) == bytes(size)
        else:
            with pytest.raises(AnswerTooLargeError):
                _read(answer)
    assert bounds.in_flight is not None
    assert bounds.in_flight.total == 0


def test_an_honest_answer_is_whole(bounds: AnswerBounds) -> None:
    """Bodies with a length, in chunks and to the connection's end."""
    body = b"x" * 300_000
    for answer in (
        OK + b"Content-Length: %d\r\n\r\n" % len(body) + body,
        OK + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n",
        OK + b"\r\n" + body,
    ):
        assert _read(Endless(answer)) == body
    assert bounds.in_flight is not None
    assert bounds.in_flight.total == 0


def _too_large(*_: object, **__: object) -> requests.Response:
    raise AnswerTooLargeError("the body", MAX_BYTES)


def _drip(*_: object, **__: object) -> requests.Response:
    while True:
        gevent.sleep(0.01)


@pytest.mark.usefixtures("bounds")
@pytest.mark.parametrize(("send", "kind"), [(_too_large, "too_large"), (_drip, "timeout")])
def test_a_request_fails_once(
    monkeypatch: pytest.MonkeyPatch, send: Callable[..., requests.Response], kind: str
) -> None:
    """An answer that is too large or too late is a failed request to Locust, and no error in the user's code."""
    monkeypatch.setattr(requests.Session, "send", send)
    environment = Environment()
    failures: list[tuple[BaseException, object]] = []
    environment.events.request.add_listener(
        lambda exception, response, **_: failures.append((exception, response))
    )
    with HttpSession("http://127.0.0.1:1", environment.events.request, None) as session:
        answer = session.get("/")
    assert not answer.content
    assert [custom_kind(*failure) for failure in failures] == [kind]
