"""The planned WebSockets of an arm: each is opened at its instant, sends its messages, and is closed or reset."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import gevent

from locustfiles.schedule.requests import WEBSOCKETS, PlannedRequest
from locustfiles.worker.connection import connect
from locustfiles.worker.failure_kind import error_kind
from locustfiles.worker.lane_clients import LaneClients
from locustfiles.worker.queue import ArmQueue
from locustfiles.worker.websocket import EndedError, WebSocket
from soak.contract import WEBSOCKET

LOOK_EVERY_S: Final = 1.0
"""Longest time between two looks whether the load was stopped, seconds."""
LEAST_S: Final = 0.001
"""Shortest wait, seconds."""
LEAST_HELD: Final = 0.9
"""Share of the planned time of a WebSocket before which a close by the service is a failure.

So much of the planned load is held at least where nothing failed; the rest is for a service with the same time-out.
"""

Report = Callable[..., None]
"""Takes what a listener of Locust's event ``request`` does."""


class WebSockets(LaneClients):
    """Holds the WebSockets of an arm, each for its time and until the next pause or the end of the load at the latest.

    One has ``timeout_s`` to be opened, to take a message and, after its time, to be closed; with ``echo`` also to
    answer one. At the end of the load, which ``end_s`` states (``t_s``), all of them close within ``timeout_s``.
    """

    lane = WEBSOCKETS

    def __init__(
        self,
        url: str,
        queue: ArmQueue,
        most: int,
        timeout_s: float,
        now_s: Callable[[], float],
        max_bytes: int,
        end_s: Callable[[], float] = lambda: math.inf,
        report: Report = lambda **_: None,
    ) -> None:
        super().__init__(url, queue, most, timeout_s, now_s)
        self._max_bytes = max_bytes
        self._end_s = end_s
        self._report = report

    def _send(self, request: PlannedRequest) -> None:
        counter = self._queue.counter
        sent_s = self._now_s()
        counter.sent(sent_s, request.name)
        opened_s: float | None = None
        unanswered: deque[float] = deque()

        def on_message() -> None:
            counter.message_received(self._now_s(), unanswered.popleft() if unanswered else None)

        failure: str | None = "timeout"  # where the drain is over
        error: Exception | None = None
        try:
            with self._opened(request, on_message) as websocket:
                opened_s = self._now_s()
                counter.opened(opened_s, request.planned_s, sent_s)
                self._hold(websocket, request, opened_s, unanswered)
            failure = None
        except Exception as raised:  # noqa: BLE001 - whatever error the parser raises, the request ends once in the recording
            error, failure = raised, raised.kind if isinstance(raised, EndedError) else error_kind(raised)
        finally:
            now_s = self._now_s()
            if opened_s is None:
                counter.ended(now_s, request.planned_s, sent_s, failure)
            else:
                counter.closed(now_s, failure)
            self._report(
                request_type=WEBSOCKET,
                name=request.name,
                response_time=((opened_s or now_s) - sent_s) * 1000,
                response_length=0,
                exception=None if failure is None else _described(failure, error),
                context={},
            )

    @contextmanager
    def _opened(self, request: PlannedRequest, on_message: Callable[[], None]) -> Iterator[WebSocket]:
        connection: Any = None
        try:
            with gevent.Timeout(self._timeout_s, TimeoutError("the WebSocket was not opened in time")):
                connection = connect(self._url, self._timeout_s)
                websocket = WebSocket(connection, self._max_bytes, self._timeout_s, self._now_s, on_message)
                target = self._url.path.rstrip("/") + request.path
                websocket.open(self._url.netloc, target, request.headers)
            yield websocket
        finally:
            if connection is not None:
                connection.close()

    def _hold(
        self, websocket: WebSocket, request: PlannedRequest, opened_s: float, unanswered: deque[float]
    ) -> None:
        """Send the messages for the time of the connection, and end it."""
        own_end_s = min(opened_s + (request.open_s or 0.0), request.until_s)
        messages = iter(request.messages or ())
        next_s = opened_s if request.messages else math.inf
        while not websocket.closed and (now_s := self._now_s()) < (end_s := min(own_end_s, self._end_s())):
            if now_s >= next_s:
                if request.echo:
                    unanswered.append(now_s)
                websocket.send(next(messages))
                self._queue.counter.message_sent(self._now_s())  # sending may have waited beyond that second
                every_s = request.send_every_s
                next_s = math.inf if every_s is None else max(next_s + every_s, now_s)
            late_s = unanswered[0] + self._timeout_s if unanswered else math.inf
            if now_s >= late_s:
                raise TimeoutError("a message was not answered in time")
            websocket.receive(max(LEAST_S, min(end_s, next_s, late_s, now_s + LOOK_EVERY_S) - self._now_s()))
        held_s = self._now_s() - opened_s
        if websocket.closed and held_s < LEAST_HELD * (min(own_end_s, self._end_s()) - opened_s):
            raise EndedError("reset", "the service closed the connection before its planned end")
        if websocket.closed or not request.client:
            latest_s = min(self._now_s(), self._end_s()) + self._timeout_s
            websocket.close(max(LEAST_S, latest_s - self._now_s()))


def _described(failure: str, error: Exception | None) -> Exception:
    """Return the error for Locust's statistics, of few different texts: each is counted apart."""
    return Exception(f"{failure}: {error}" if isinstance(error, EndedError) else failure)
