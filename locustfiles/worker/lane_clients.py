"""Clients of an arm beside Locust's users: each takes requests of one lane, with a connection for each of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar
from urllib.parse import urlsplit

import gevent

from locustfiles.schedule.requests import PlannedRequest
from locustfiles.worker.queue import ArmQueue


class LaneClients(ABC):
    """Sends the requests of a lane of an arm, ``most`` at a time; all end by ``close``."""

    lane: ClassVar[str]

    def __init__(
        self, url: str, queue: ArmQueue, most: int, timeout_s: float, now_s: Callable[[], float]
    ) -> None:
        self._url = urlsplit(url)
        self._queue = queue
        self._most = most
        self._timeout_s = timeout_s
        self._now_s = now_s
        self._clients: list[gevent.Greenlet] = []

    def begin(self) -> None:
        """Start the clients."""
        self.close()
        self._clients = [gevent.spawn(self._send_forever) for _ in range(self._most)]

    def close(self) -> None:
        """End the clients, and what they are sending; idempotent."""
        gevent.killall(self._clients)
        self._clients = []

    def _send_forever(self) -> None:
        while True:
            self._send(self._queue.take(self.lane))

    @abstractmethod
    def _send(self, request: PlannedRequest) -> None:
        """Send a request, and count it; raises nothing but what kills the greenlet."""
