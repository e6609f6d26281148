"""A process that is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from soak.limit import LifeLimit
from soak.sampling.probe_client import ProbeClient


@dataclass(frozen=True, slots=True)
class Target:
    """One process of an arm at the moment."""

    arm: str
    pid: int
    life: int
    limit: LifeLimit
    probe: ProbeClient
    outside_only: bool = False
    """It never had a probe, and none is missed in it."""

    @property
    def probed(self) -> bool:
        """Whether it has a probe to ask."""
        return not self.outside_only and self.probe.exists
