"""A process that is sampled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from soak.limit.base import LifeLimit
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_client import ProbeClient


@dataclass(frozen=True, slots=True)
class Target:
    """One process of an arm at the moment."""

    arm: str
    pid: int
    life: int
    limit: LifeLimit
    probe: ProbeClient | None
    """Connection to its probe; None: it was started without one."""
    outside_only: bool = False
    """Whether it is read from outside only: it never had a probe, and no reading of one is missed."""

    @property
    def has_probe(self) -> bool:
        """Whether a probe is in the process by now."""
        return self.probe is not None and self.probe.exists

    @property
    def probed(self) -> bool:
        """Whether its probe is to be asked."""
        return not self.outside_only and self.has_probe

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        """Ask its probe as ``ProbeClient.ask``; raises ProbeError."""
        if self.probe is None:
            raise ProbeError(f"probe: {op}: none in this process")
        return self.probe.ask(op, timeout_s, **arguments)

    def close(self) -> None:
        """Drop the connection to its probe. Idempotent."""
        if self.probe is not None:
            self.probe.close()
