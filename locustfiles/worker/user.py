"""The users of an arm: each holds a connection and sends requests that it takes from the arm's queue."""

from __future__ import annotations

from collections.abc import Callable

import gevent
from locust import FastHttpUser, task
from locust.env import Environment

from locustfiles.schedule.arrivals import PlannedRequest
from locustfiles.worker.failure_kind import answer_kind, error_kind
from locustfiles.worker.queue import ArmQueue
from soak.contract import Traffic

REQUEST_HEADERS = {"Content-Type": "application/json"}
READ_BYTES = 16 * 1024
"""Most bytes that are read from a connection at a time."""


class ArmUser(FastHttpUser):
    """A user of one arm; ``user_class`` binds it to the arm."""

    host = "set by the profile"
    """Text in the web UI's start form; the host of a user is its arm's URL."""
    concurrency = 1
    max_redirects = 0
    url = ""
    statistics_name: str
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
        counter.sent(sent_s)
        failure = self._post(request)
        counter.ended(self.now_s(), request.planned_s, sent_s, failure)

    def _post(self, request: PlannedRequest) -> str | None:
        try:
            # The client's own timeouts start again with each packet.
            with (
                gevent.Timeout(self.network_timeout),
                self.client.post(
                    request.path,
                    data=request.body,  # type: ignore[arg-type]  # bytes pass as they are
                    headers=REQUEST_HEADERS,
                    name=self.statistics_name,
                    catch_response=True,
                ) as response,
            ):
                error = response.request_meta["exception"]
                failure = error_kind(error) if error else answer_kind(response.status_code, response.content)
                if failure:
                    response.failure(failure)
        except Exception:  # noqa: BLE001 - whatever error the client's parser raises, the request ends once in the recording
            failure = "other"
        if failure == "timeout":
            # A timeout in the middle of sending leaves the connection unusable.
            self.client.client.clientpool.close()
        return failure


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
            "statistics_name": f"{arm} {traffic.path}",
            "queue": queue,
            "now_s": staticmethod(now_s),
        },
    )
