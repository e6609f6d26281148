"""The place of a listener among those of the locustfile."""

from __future__ import annotations

from collections.abc import Callable

from locust.event import EventHook


def listen_first(event: EventHook, listener: Callable[..., None]) -> None:
    """Call the listener before all that are there: one that raises StopUser or RescheduleTask ends an event."""
    event._handlers.insert(0, listener)  # noqa: SLF001 - Locust only appends
