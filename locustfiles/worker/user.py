"""The users of an arm: each holds a connection and sends requests that it takes from the arm's queue."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from locust import FastHttpUser, task
from locust.contrib.fasthttp import FAILURE_EXCEPTIONS, FastResponse
from locust.env import Environment

from locustfiles.schedule.requests import PlannedRequest
from locustfiles.worker.failure_kind import answer_kind, error_kind
from locustfiles.worker.queue import ArmQueue
from soak.contract import Traffic

READ_BYTES = 16 * 1024
"""Most bytes that are read from a connection at a time."""


STREAM_MARGIN_S = 0.05
"""Time before the timeout of a request at which the reading of its stream ends at the latest, seconds."""


class ArmUser(FastHttpUser):
    """A user of one arm; ``user_class`` binds it to the arm."""

    host = "set by the profile"
    """Text in the web UI's start form; the host of a user is its arm's URL."""
    concurrency = 1
    max_redirects = 0
    arm = ""
    url = ""
    queue: ArmQueue
    now_s: Callable[[], float]

    def __init__(self, environment: Environment) -> None:
        # Locust sets the class's host from its start form, which would send every arm's users to one target.
        self.host = self.url
        super().__init__(environment)

    def on_start(self) -> None:
        """Let the client accept every status as an answer: it would build an exception for each other one.

        And let it read long answers in fewer steps.
        """
        client = self.client.client
        client.valid_response_codes = frozenset(range(100, 600))  # type: ignore[misc]
        client.clientpool.client_args["block_size"] = READ_BYTES

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
        latest_s = self.now_s() + self.network_timeout - STREAM_MARGIN_S
        try:
            # The client's own timeouts start again with each packet.
            with (
                gevent.Timeout(self.network_timeout),
                self.client.request(
                    request.method,
                    request.path,
                    data=request.body or None,  # type: ignore[arg-type]  # bytes pass as they are
                    headers=dict(request.headers),
                    name=f"{self.arm} {request.name}",
                    catch_response=True,
                    stream=request.read_s is not None,
                ) as response,
            ):
                error = response.request_meta["exception"]
                content = b""
                if request.read_s is not None and not error:
                    headed_s = self.now_s()
                    end_s = min(headed_s + request.read_s, request.until_s, latest_s)
                    content, error = _read_for(response, end_s - headed_s)
                elif not error:
                    content = response.content
                failure = error_kind(error) if error else answer_kind(response.status_code, content)
                if failure:
                    response.failure(failure)
        except Exception:  # noqa: BLE001 - whatever error the client's parser raises, the request ends once in the recording
            failure = "other"
        if failure == "timeout":
            # A timeout in the middle of sending leaves the connection unusable.
            self.client.client.clientpool.close()
        return failure, headed_s


def _read_for(response: FastResponse, seconds: float) -> tuple[bytes, BaseException | None]:
    """Read a stream to its end or for a time; close its connection where it goes on. Return its body or an error."""
    try:
        with gevent.Timeout(max(0.0, seconds), False):
            return response.content, None
    except FAILURE_EXCEPTIONS as error:
        return b"", error
    finally:
        response.stream.release()
    return b"", None


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
