"""Bounds for the answers to Locust's HttpUser, whose client is requests, and to any other user of urllib3."""

from __future__ import annotations

import io
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any, Final

import gevent
import requests
import urllib3.connection
import urllib3.response
from locust.clients import HttpSession

from locustfiles.answers.bounds import AnswerBounds, AnswerTooLargeError, Hook, Meter

READ_BYTES: Final = 8192
"""Bytes that are read from a connection at once: the last of them that are the head's may be the body's."""


def bound_answers(bounds: AnswerBounds, hook: Hook = setattr) -> None:
    """Bound every answer that urllib3 reads in this process: its length, and its length when decoded."""

    class BoundedResponse(MeteredResponse):
        answer_bounds = bounds

    stream = urllib3.response.HTTPResponse.stream

    def counted_stream(self: urllib3.response.HTTPResponse, *args: Any, **options: Any) -> Iterator[bytes]:
        meter = getattr(self._fp, "meter", None)
        for piece in stream(self, *args, **options):
            if meter is not None:
                try:
                    meter.decode(len(piece))
                except BaseException:  # a greenlet's time-out is no Exception; the connection ends with it
                    self.close()
                    raise
            yield piece

    hook(urllib3.connection.HTTPConnection, "response_class", BoundedResponse)
    hook(urllib3.response.HTTPResponse, "stream", counted_stream)


def bound_requests(bounds: AnswerBounds, hook: Hook = setattr) -> None:
    """Give every request of an HttpSession one deadline, redirects and body included, and its errors requests' types.

    requests has a time-out for each packet only, and none by default.
    """

    def send_in_time(
        self: HttpSession, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        deadline = gevent.Timeout(bounds.timeout_s)
        try:
            with deadline:
                return requests.Session.send(self, request, **options)
        except AnswerTooLargeError as error:
            raise requests.exceptions.ConnectionError(str(error), request=request) from error
        except gevent.Timeout as late:
            if late is not deadline:
                raise
            raise requests.exceptions.ReadTimeout("no whole answer in time", request=request) from late

    hook(HttpSession, "send", send_in_time)


class MeteredResponse(HTTPResponse):
    """The standard library's response, whose bytes are counted as they come from the socket."""

    answer_bounds: AnswerBounds

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.meter = Meter(self.answer_bounds)
        self._socket = _MeteredSocket(self.fp.detach(), self.meter, self.answer_bounds.first_look)
        self.fp = io.BufferedReader(self._socket, READ_BYTES)

    def begin(self) -> None:
        """Read the head, interim answers before it included."""
        try:
            super().begin()
        except BaseException:  # a greenlet's time-out, too; Locust may keep the error, which refers to this
            self.close()
            raise
        self._socket.head = False


class _MeteredSocket(io.RawIOBase):
    """A response's connection."""

    def __init__(self, raw: io.RawIOBase, meter: Meter, first_look: int) -> None:
        self._raw = raw
        self._meter = meter
        self._received = 0
        self._look_at = first_look
        self.head = True
        """Whether the head is being read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        size = self._raw.readinto(buffer)
        self._received += size or 0
        if self._received > self._look_at:
            self._look_at = self._meter.look(self._received, head=self.head)
        return size

    def close(self) -> None:
        if not self.closed:
            self._meter.end()
            self._raw.close()
        super().close()
