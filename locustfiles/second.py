"""What happened to one arm in one second, and its row."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from soak.contract import FAILURE_KINDS

QUANTILES = (0.5, 0.9, 0.99, 1.0)


@dataclass(slots=True)
class Second:
    """Counts of one second; the times have one value for each request that ended in it, microseconds."""

    planned: int = 0
    sent: int = 0
    missed: int = 0
    ended: Counter[str | None] = field(default_factory=Counter)
    """Requests by kind of failure; None is answered well."""
    latency_us: list[int] = field(default_factory=list)
    service_us: list[int] = field(default_factory=list)

    def cells(self) -> tuple[int | str, ...]:
        """Return the cells of ``soak.contract.REQUEST_COLUMNS`` from ``planned`` on."""
        return (
            self.planned,
            self.sent,
            self.missed,
            self.ended[None],
            *(self.ended[kind] for kind in FAILURE_KINDS),
            *_quantiles_ms(self.latency_us),
            *_quantiles_ms(self.service_us),
        )


def _quantiles_ms(values_us: list[int]) -> tuple[str, ...]:
    if not values_us:
        return ("",) * len(QUANTILES)
    values = np.quantile(values_us, QUANTILES, method="inverted_cdf")
    return tuple(f"{value_us / 1000:.3f}" for value_us in values)
