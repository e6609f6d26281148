"""What every variant of the gateway can do; the HTTP side uses nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Stats:
    """How many objects of each sort the gateway holds now."""

    background_tasks: int
    sessions: int
    cache_entries: int
    history_entries: int


class Gateway(Protocol):
    """One variant of the gateway. It is made inside a running event loop, which it belongs to."""

    async def handle_request(self, service_name: str, request_data: dict[str, Any]) -> bytes:
        """Return the service's answer as JSON text.

        ``service_name`` is an instance of a configured service. Raises RequestFailedError for a status that
        is not 200.
        """

    def stats(self) -> Stats:
        """Return the sizes; other threads may call it at any time."""

    async def aclose(self) -> None:
        """End all that the gateway started, within seconds."""
