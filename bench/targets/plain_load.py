"""The peer of the planned load, a locustfile: plain users of Locust that send the same requests without a plan.

``PACE_RPS`` in the environment is the constant throughput of each user, requests per second; without it each sends as
fast as it is answered. With ``APART`` each begins at an instant of its own; without it they stay in step.
"""

from __future__ import annotations

import os
import random
import time

from locust import FastHttpUser, constant_throughput, task

BODY = b'{"id": "1-100000", "payload": "' + b"x" * 223 + b'"}'
PACE_RPS = os.environ.get("PACE_RPS")
APART = "APART" in os.environ


class Plain(FastHttpUser):
    """Sends the next request when one is answered, or at its pace."""

    if PACE_RPS:
        wait_time = constant_throughput(float(PACE_RPS))

    def on_start(self) -> None:
        """Wait for an instant of its own within the first period."""
        if PACE_RPS and APART:
            time.sleep(random.random() / float(PACE_RPS))

    @task
    def send(self) -> None:
        """Send a request of 256 bytes."""
        self.client.post(
            "/api/orders-000",
            data=BODY,  # type: ignore[arg-type]  # bytes pass as they are
            headers={"Content-Type": "application/json"},
            name="/api/{service}",
        )
