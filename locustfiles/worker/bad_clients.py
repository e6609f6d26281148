"""The bad clients of an arm: they reset, stall or cut off requests, and hold up neither the others nor the end."""

from __future__ import annotations

from typing import Any, Final

import gevent

from locustfiles.schedule.requests import BAD_CLIENTS, PlannedRequest
from locustfiles.worker.connection import connect
from locustfiles.worker.failure_kind import error_kind
from locustfiles.worker.lane_clients import LaneClients

READ_BYTES: Final = 1000
"""Bytes that a slow client reads at a time."""
READ_EVERY_S: Final = 1.0
"""Time between two reads of a slow client, seconds."""
RECEIVE_BUFFER_BYTES: Final = 4096
"""Size of the socket's buffer: what the kernel takes for the client, the service need not keep."""
LEAST_S: Final = 0.1
"""Shortest time that a bad client gets, seconds, also where a pause is about to begin."""


class BadClients(LaneClients):
    """Sends the requests of an arm's bad clients.

    Each ends after ``timeout_s``, and before the next pause; all end by ``close``. A request counts as failed only
    where there was no connection in its time, pauses left out: whatever a service does about such a client is right.
    """

    lane = BAD_CLIENTS

    def _send(self, request: PlannedRequest) -> None:
        counter = self._queue.counter
        sent_s = self._now_s()
        counter.sent_badly(sent_s, request.name)
        failure: str | None = "timeout"  # where the load is over before it has a connection
        left_s = request.until_s - sent_s
        time_s = max(LEAST_S, min(self._timeout_s, left_s))
        patience = gevent.Timeout(time_s)
        try:
            with patience, connect(self._url, time_s, RECEIVE_BUFFER_BYTES) as connection:
                failure = None
                self._misbehave(connection, request)
        except gevent.Timeout as late:
            if late is not patience:
                raise
            if left_s < self._timeout_s:
                failure = None
        except OSError as error:
            failure = failure and error_kind(error)
        finally:
            counter.ended_badly(self._now_s(), failure)

    def _misbehave(self, connection: Any, request: PlannedRequest) -> None:
        head = self._head(request)
        body = request.body
        if request.client == "half":
            body = body[: len(body) // 2]
        connection.sendall(head + body)
        if request.client == "abort":
            connection.recv(1)
            return
        while connection.recv(READ_BYTES):
            gevent.sleep(READ_EVERY_S)

    def _head(self, request: PlannedRequest) -> bytes:
        lines = [
            f"{request.method} {self._url.path.rstrip('/')}{request.path} HTTP/1.1",
            f"Host: {self._url.netloc}",
        ]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if request.body or request.method in {"POST", "PUT", "PATCH"}:
            lines.append(f"Content-Length: {len(request.body)}")
        lines.append("Connection: close")
        return "\r\n".join((*lines, "", "")).encode("ascii")
