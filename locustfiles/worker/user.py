"""The users of an arm: each holds a connection and sends requests that it takes from the arm's queue."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from geventhttpclient.response import HTTPSocketPoolResponse
from locust import FastHttpUser, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS
from locust.env import Environment
from locust.exception import CatchResponseError

from locustfiles.schedule.requests import PlannedRequest
from locustfiles.worker.client import ArmClient, content_of
from locustfiles.worker.failure_kind import answer_kind, error_kind
from locustfiles.worker.queue import ArmQueue
from soak.contract import Traffic

STREAM_MARGIN_S = 0.05
"""Time before the timeout of a request at which the reading of its stream ends at the latest, seconds."""


class ArmUser(FastHttpUser):
    """A user of one arm; ``user_class`` binds it to the arm."""

    host = "set by the profile"
    """Text in the web UI's start form; the host of a user is its arm's URL."""
    arm = ""
    url = ""
    queue: ArmQueue
    now_s: Callable[[], float]

    def __init__(self, environment: Environment) -> None:
        # Locust sets the class's host from its start form, which would send every arm's users to one target.
        self.host = self.url
        super().__init__(environment)

    def on_start(self) -> None:
        """Make the client: the first request opens its connection."""
        self.http = ArmClient(self.client, self.connection_timeout)

    def on_stop(self) -> None:
        """Close the connection."""
        self.http.close()

    @task
    def send_forever(self) -> None:
        """Send the requests of the queue, until Locust ends the user."""
        while True:
            self._send(self.queue.take())

    def _send(self, request: PlannedRequest) -> None:
        counter = self.queue.counter
        sent_s = self.now_s()
        counter.sent(sent_s, request.name)
        failure, headed_s = self._request(request)
        counter.ended(self.now_s(), request.planned_s, sent_s, failure, headed_s)

    def _request(self, request: PlannedRequest) -> tuple[str | None, float | None]:
        """Return the kind of failure and, of a stream, when its head was there: its length is by the plan."""
        headed_s: float | None = None
        length = 0
        began_s = self.now_s()
        try:
            with gevent.Timeout(self.network_timeout):
                response = self.http.send(request)
                if request.read_s is None:
                    content = content_of(response)
                    length = len(content)
                    failure = answer_kind(response.get_code(), content)
                else:
                    headed_s = self.now_s()
                    latest_s = began_s + self.network_timeout - STREAM_MARGIN_S
                    end_s = min(headed_s + request.read_s, request.until_s, latest_s)
                    failure = answer_kind(response.get_code(), _read_for(response, end_s - headed_s))
        except FAILURE_EXCEPTIONS as error:
            self.http.close()
            failure = error_kind(error)
        except Exception:  # noqa: BLE001 - whatever error the client's parser raises, the request ends once in the recording
            self.http.close()
            failure = "other"
        self.environment.events.request.fire(
            request_type=request.method,
            name=f"{self.arm} {request.name}",
            response_time=((headed_s or self.now_s()) - began_s) * 1000,
            response_length=length,
            exception=CatchResponseError(failure) if failure else None,
            context={},
        )
        return failure, headed_s


def _read_for(response: HTTPSocketPoolResponse, seconds: float) -> bytes:
    """Read a stream to its end or for a time; close its connection where it goes on. Return the body of one that ended.

    Raises as ``content_of``.
    """
    try:
        with gevent.Timeout(max(0.0, seconds), False):
            return content_of(response)
    finally:
        response.release()
    return b""


def user_class(arm: str, traffic: Traffic, queue: ArmQueue, now_s: Callable[[], float]) -> type[ArmUser]:
    """Return the class of an arm's users, ``traffic.users_per_arm`` of them in this process."""
    return type(
        arm,
        (ArmUser,),
        {
            "url": traffic.arms[arm],
            "fixed_count": traffic.users_per_arm,
            "network_timeout": traffic.network_timeout_s,
            "connection_timeout": traffic.network_timeout_s,
            "arm": arm,
            "queue": queue,
            "now_s": staticmethod(now_s),
        },
    )
