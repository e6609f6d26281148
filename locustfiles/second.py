"""What happened to one arm in one second, and its row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

from locustfiles.timings import Timings, quantiles_us
from soak.contract import FAILURE_KINDS

QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass(slots=True)
class Second:
    """Counts of one second, of one process or of all; the times are those of the requests that ended in it."""

    sent: int = 0
    missed: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Requests by kind of failure."""
    timings: Timings = field(default_factory=Timings)

    def add(self, other: Second) -> None:
        """Count what ``other`` counted too."""
        self.sent += other.sent
        self.missed += other.missed
        self.ok += other.ok
        self.failed += other.failed
        self.timings.add(other.timings)

    def cells(self) -> tuple[int | str, ...]:
        """Return the cells of ``soak.contract.REQUEST_COLUMNS`` from ``sent`` on."""
        return (
            self.sent,
            self.missed,
            self.ok,
            *(self.failed[kind] for kind in FAILURE_KINDS),
            *_quantiles_ms(self.timings.latency),
            *_quantiles_ms(self.timings.service),
        )

    def pack(self) -> dict[str, Any]:
        """Return the same as what Locust's messages carry."""
        return {
            "sent": self.sent,
            "missed": self.missed,
            "ok": self.ok,
            "failed": dict(self.failed),
            "timings": self.timings.pack(),
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Second:
        """Return what ``pack`` packed."""
        return cls(
            **packed | {"failed": Counter(packed["failed"]), "timings": Timings.unpack(packed["timings"])}
        )


def _quantiles_ms(histogram: HdrHistogram) -> tuple[str, ...]:
    found = quantiles_us(histogram, QUANTILES)
    return tuple(f"{value_us / 1000:.3f}" for value_us in found) or ("",) * len(QUANTILES)
