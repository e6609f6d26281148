"""A stand-in for Locust's runner of a worker: it keeps what the worker sends, and hands it the master's messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from locust.env import Environment
from locust.rpc import Message

from locustfiles.locust_process import LocustProcess
from locustfiles.messages import SECOND_REPORT, SecondReport


class Wire:
    """Both ends of a worker's connection."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.sent: list[tuple[str, Any]] = []
        self.quitted = False
        self.stop_timeouts: list[float] = []
        """Locust's stop timeout at each stop of the users, seconds."""
        self._listeners: dict[str, Callable[..., None]] = {}
        environment.runner = self  # type: ignore[assignment]
        self.process = LocustProcess(environment)

    def register_message(self, name: str, listener: Callable[..., None]) -> None:
        self._listeners[name] = listener

    def send_message(self, name: str, data: object) -> None:
        self.sent.append((name, data))

    def quit(self) -> None:
        self.quitted = True

    def stop(self) -> None:
        self.stop_timeouts.append(self.environment.stop_timeout)

    def receive(self, name: str, data: object) -> None:
        """Let a message of the master arrive."""
        self._listeners[name](environment=None, msg=Message(name, data, "master"))

    @property
    def reports(self) -> list[SecondReport]:
        """The seconds reported so far."""
        return [SecondReport.unpack(data) for name, data in self.sent if name == SECOND_REPORT]
