"""Bounds for the answers to Locust's FastHttpUser, whose client is geventhttpclient."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, Final

import brotli
import gevent
import gevent.local
import geventhttpclient.client
from geventhttpclient.connectionpool import ConnectionPool
from geventhttpclient.response import HEADER_STATE_DONE, HTTPSocketPoolResponse, HTTPSocketResponse
from geventhttpclient.useragent import CompatResponse
from geventhttpclient.useragent import ConnectionError as ClientError
from locust.contrib.fasthttp import FastHttpSession

from locustfiles.answers.bounds import (
    HEAD_LINES,
    KEEP_BYTES,
    AnswerBounds,
    AnswerTooLargeError,
    Hook,
    Meter,
    bound_cookies,
)

PIECE_BYTES: Final = 16 * 1024
"""Bytes that are decoded at a time, at most."""
under_way: Final = gevent.local.local()
"""The ``deadline`` of the request that a greenlet sends."""


class AnswerTooLateError(ClientError):
    """A request did not end before its deadline; not tried again, whatever ``max_retries`` is."""


def bound_answers(bounds: AnswerBounds, hook: Hook = setattr) -> None:
    """Bound every answer that geventhttpclient reads in this process: its length, and its length when decoded."""
    response_type = metered_response(bounds)

    def unzipped(self: CompatResponse, gzip: bool = True, br: bool = False) -> bytes:
        encoding = "gzip" if gzip else "br" if br else "deflate"
        return decoded(self._response.read(), encoding, bounds)

    bound_cookies(hook)
    hook(geventhttpclient.client, "HTTPSocketPoolResponse", response_type)
    hook(CompatResponse, "unzipped", unzipped)


def bound_requests(bounds: AnswerBounds, hook: Hook = setattr) -> None:
    """Give every request of a FastHttpSession one deadline; the client's own time-outs start again with each packet."""
    request, get_socket = FastHttpSession.request, ConnectionPool.get_socket
    newest = gevent.local.local()

    def get_known_socket(self: ConnectionPool) -> Any:
        newest.pool = None
        newest.socket = get_socket(self)
        newest.pool = self
        return newest.socket

    def request_in_time(self: FastHttpSession, *args: Any, **options: Any) -> Any:
        late = AnswerTooLateError(None, "no whole answer in time")
        newest.pool = None
        under_way.deadline = gevent.Timeout(bounds.timeout_s, late)
        with under_way.deadline:
            answer = request(self, *args, **options)
        under_way.deadline = None
        if (
            getattr(answer, "error", None) is late
            and newest.pool is not None
            and newest.socket.fileno() != -1
        ):
            # in the middle of sending, where the client keeps the connection in use for ever
            newest.pool.release_socket(newest.socket)
        newest.pool = newest.socket = None
        return answer

    hook(ConnectionPool, "get_socket", get_known_socket)
    hook(FastHttpSession, "request", request_in_time)


def end_deadline(**_: object) -> None:
    """End the deadline of the request that has ended; the first listener of Locust's event, fired within the request.

    What listens besides, as the file's own code, may take its time.
    """
    if (deadline := getattr(under_way, "deadline", None)) is not None:
        deadline.close()


def metered_response(bounds: AnswerBounds) -> type[HTTPSocketPoolResponse]:
    """Return the client's class of a response with the bounds."""

    class MeteredResponse(HTTPSocketPoolResponse):
        _received = 0
        _look_at = bounds.first_look
        _meter: Meter | None = None

        def feed(self, data: str | bytes) -> None:
            self._received += len(data)
            if self._received > self._look_at:
                if self._meter is None:
                    self._meter = Meter(bounds)
                # trailers begin after DONE, and interim answers end before it
                head = self._header_state != HEADER_STATE_DONE
                self._look_at = self._meter.look(self._received, head=head)
            super().feed(data)
            if self._header_position > HEAD_LINES + 1:
                raise AnswerTooLargeError("the head", HEAD_LINES, "headers")

        def _on_message_complete(self) -> None:
            if self.get_code() < HTTPStatus.OK:
                # an interim answer: the answer follows on the connection, which is not to be given back
                super(HTTPSocketResponse, self)._on_message_complete()
            else:
                super()._on_message_complete()

    class DiscardingResponse(MeteredResponse):
        def _on_body(self, buf: bytearray) -> None:
            if len(self._body_buffer) < KEEP_BYTES:
                self._body_buffer += buf

    class WholeResponse(MeteredResponse):
        def release(self) -> None:
            super().release()
            if self._meter is not None:
                self._meter.end()
            if not self.message_complete:
                self._body_buffer.clear()  # the error's traceback, which Locust keeps, refers to it

        def __del__(self) -> None:
            if self._meter is not None:
                self._meter.end()
            super().__del__()

    return DiscardingResponse if bounds.in_flight is None else WholeResponse


def decoded(raw: bytes, encoding: str, bounds: AnswerBounds) -> bytes:
    """Decode a body, or the part of it that was kept; return as much as is kept.

    Raises AnswerTooLargeError, and zlib.error for what cannot be decoded.
    """
    whole = bounds.in_flight is not None or len(raw) < KEEP_BYTES
    if encoding == "br":
        return _collected(_unbrotlied(raw, whole=whole), bounds)
    if encoding == "gzip":
        return _collected(_inflated(raw, 16 + zlib.MAX_WBITS, whole=whole), bounds)
    try:
        return _collected(_inflated(raw, -zlib.MAX_WBITS, whole=whole), bounds)
    except zlib.error:  # there are two formats of that name
        return _collected(_inflated(raw, zlib.MAX_WBITS, whole=whole), bounds)


def _collected(pieces: Iterator[bytes], bounds: AnswerBounds) -> bytes:
    """Return the pieces together, as much as is kept."""
    kept, size = bytearray(), 0
    for piece in pieces:
        size += len(piece)
        if size > bounds.max_bytes:
            raise AnswerTooLargeError("the decoded body", bounds.max_bytes)
        if bounds.in_flight is not None:
            # without a switch: only one body at a time is kept both as sent and decoded
            kept += piece
        else:
            if len(kept) < KEEP_BYTES:
                kept += piece
            if size > PIECE_BYTES:
                gevent.sleep(0)
    return bytes(kept)


def _inflated(raw: bytes, wbits: int, *, whole: bool) -> Iterator[bytes]:
    inflate = zlib.decompressobj(wbits)
    for start in range(0, len(raw), PIECE_BYTES):
        data = raw[start : start + PIECE_BYTES]
        while data and not inflate.eof:
            yield inflate.decompress(data, PIECE_BYTES)
            data = inflate.unconsumed_tail
    yield inflate.flush()
    if whole and not inflate.eof:
        raise zlib.error("incomplete or truncated stream")


def _unbrotlied(raw: bytes, *, whole: bool) -> Iterator[bytes]:
    stream = brotli.Decompressor()
    try:
        for start in range(0, len(raw), PIECE_BYTES):
            piece = stream.process(raw[start : start + PIECE_BYTES], output_buffer_limit=PIECE_BYTES)
            yield piece
            while len(piece) >= PIECE_BYTES or not stream.can_accept_more_data():
                piece = stream.process(b"", output_buffer_limit=PIECE_BYTES)
                yield piece
    except brotli.error as error:
        raise zlib.error(str(error)) from error  # Locust counts this one as a failed request
    if whole and not stream.is_finished():
        raise zlib.error("incomplete or truncated stream")
