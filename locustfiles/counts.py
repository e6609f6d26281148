"""What happened in each second of load, counted by arm: requests, failures and times."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram

from soak.contract import FAILURE_KINDS, HISTOGRAM_DIGITS, HISTOGRAM_HIGHEST_US, HISTOGRAM_LOWEST_US


class Timings:
    """Latency and service time of requests, microseconds."""

    def __init__(self) -> None:
        self.latency = new_histogram()
        self.service = new_histogram()

    def record(self, latency_us: int, service_us: int) -> None:
        """Count one request; what is beyond the histogram's range counts as its end."""
        self.latency.record_value(min(latency_us, HISTOGRAM_HIGHEST_US))
        self.service.record_value(min(service_us, HISTOGRAM_HIGHEST_US))

    def add(self, other: Timings) -> None:
        """Count the requests of ``other`` too."""
        self.latency.add(other.latency)
        self.service.add(other.service)

    def pack(self) -> tuple[bytes, bytes]:
        """Return both histograms in hdrh's encoding."""
        return self.latency.encode(), self.service.encode()

    @classmethod
    def unpack(cls, packed: tuple[bytes, bytes]) -> Timings:
        """Return what ``pack`` packed."""
        made = cls()
        for histogram, encoded in zip((made.latency, made.service), packed, strict=True):
            histogram.decode_and_add(encoded)
        return made


def new_histogram() -> HdrHistogram:
    """Return an empty histogram of the range and precision of the recordings."""
    return HdrHistogram(HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, HISTOGRAM_DIGITS)


def quantiles_us(histogram: HdrHistogram, shares: tuple[float, ...]) -> tuple[int, ...]:
    """Return for each share the smallest value which that share of all values do not exceed; none of no values.

    hdrh's own search walks the counts in Python and holds up the users for milliseconds, which their times would show.
    """
    if not histogram.get_total_count():
        return ()
    cumulative = np.cumsum(histogram.counts)
    places = np.searchsorted(cumulative, np.ceil(np.multiply(shares, cumulative[-1])))
    return tuple(
        histogram.get_highest_equivalent_value(histogram.get_value_from_index(int(place))) for place in places
    )


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


class ArmCounter:
    """Each thing counts in the second (``t_s``) in which it happens, until that second is taken."""

    def __init__(self) -> None:
        self.in_flight = 0
        """Requests that were sent and have not ended."""
        self._seconds: defaultdict[int, Second] = defaultdict(Second)

    def missed(self, now_s: float) -> None:
        """Count a request that is given up."""
        self._seconds[int(now_s)].missed += 1

    def sent(self, now_s: float) -> None:
        """Count a request that is being sent."""
        self._seconds[int(now_s)].sent += 1
        self.in_flight += 1

    def ended(self, now_s: float, planned_s: float, sent_s: float, failure: str | None) -> None:
        """Count a request that was answered well (None) or failed."""
        second = self._seconds[int(now_s)]
        if failure is None:
            second.ok += 1
        else:
            second.failed[failure] += 1
        second.timings.record(*(round((now_s - since_s) * 1e6) for since_s in (planned_s, sent_s)))
        self.in_flight -= 1

    def take(self, second: int) -> Second:
        """Return the counts of a second and let them go."""
        return self._seconds.pop(second, None) or Second()
