"""The peer of the planned load, a locustfile: plain users of Locust that send the same requests without a plan."""

from __future__ import annotations

from locust import FastHttpUser, task

BODY = b'{"id": "1-100000", "payload": "' + b"x" * 223 + b'"}'


class Plain(FastHttpUser):
    """Sends the next request as soon as one is answered."""

    @task
    def send(self) -> None:
        """Send a request of 256 bytes."""
        self.client.post(
            "/api/orders-000",
            data=BODY,  # type: ignore[arg-type]  # bytes pass as they are
            headers={"Content-Type": "application/json"},
            name="/api/{service}",
        )
