"""Counts of each second of load, by arm: requests, failures and times."""

from __future__ import annotations

import json
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
        """Count one request; a time beyond the histogram's range counts as the end of the range."""
        self.latency.record_value(min(latency_us, HISTOGRAM_HIGHEST_US))
        self.service.record_value(min(service_us, HISTOGRAM_HIGHEST_US))

    def add(self, other: Timings) -> None:
        """Add the requests of ``other``."""
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
    """Return for each share the smallest value that this share of all values does not exceed; () without values.

    The search in hdrh walks the counts in Python and delays the users for milliseconds, which their times would show.
    """
    if not histogram.get_total_count():
        return ()
    cumulative = np.cumsum(histogram.counts)
    places = np.searchsorted(cumulative, np.ceil(np.multiply(shares, cumulative[-1])))
    return tuple(
        histogram.get_highest_equivalent_value(histogram.get_value_from_index(int(place))) for place in places
    )


CSV_QUANTILES = (0.5, 0.9, 0.99, 1.0)
"""Shares of the quantiles in requests.csv, as its columns name them."""


@dataclass(slots=True)
class Second:
    """Counts of one second, of one process or of all; its times are those of the requests that ended in it."""

    sent: int = 0
    missed: int = 0
    ok: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    """Failed requests by kind of failure."""
    names: Counter[str] = field(default_factory=Counter)
    """Requests sent by their name."""
    timings: Timings = field(default_factory=Timings)

    def ended(self, failure: str | None, latency_us: int, service_us: int) -> None:
        """Count a request that was answered well (None) or failed, by its kind of failure."""
        self.ended_untimed(failure)
        self.timings.record(latency_us, service_us)

    def ended_untimed(self, failure: str | None) -> None:
        """Count a request of a bad client, whose times are the client's."""
        if failure is None:
            self.ok += 1
        else:
            self.failed[failure] += 1

    def add(self, other: Second) -> None:
        """Add the counts of ``other``."""
        self.sent += other.sent
        self.missed += other.missed
        self.ok += other.ok
        self.failed += other.failed
        self.names += other.names
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
            json.dumps(self.names, sort_keys=True) if self.names else "",
        )

    def pack(self) -> dict[str, Any]:
        """Return the counts as plain data for a message of Locust's."""
        return {
            "sent": self.sent,
            "missed": self.missed,
            "ok": self.ok,
            "failed": dict(self.failed),
            "names": dict(self.names),
            "timings": self.timings.pack(),
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Second:
        """Return what ``pack`` packed."""
        counters = {name: Counter(packed[name]) for name in ("failed", "names")}
        return cls(**packed | counters | {"timings": Timings.unpack(packed["timings"])})


def _quantiles_ms(histogram: HdrHistogram) -> tuple[str, ...]:
    found = quantiles_us(histogram, CSV_QUANTILES)
    return tuple(f"{value_us / 1000:.3f}" for value_us in found) or ("",) * len(CSV_QUANTILES)


class ArmCounter:
    """Counts each event of an arm in the second (``t_s``) in which it happens, until that second is taken."""

    def __init__(self) -> None:
        self.in_flight = 0
        """Number of requests that were sent and have not ended, without those of bad clients."""
        self._seconds: defaultdict[int, Second] = defaultdict(Second)

    def missed(self, now_s: float) -> None:
        """Count a request that is dropped unsent."""
        self._seconds[int(now_s)].missed += 1

    def sent(self, now_s: float, name: str) -> None:
        """Count a request that is being sent."""
        self.sent_badly(now_s, name)
        self.in_flight += 1

    def sent_badly(self, now_s: float, name: str) -> None:
        """Count a request that a bad client is sending."""
        second = self._seconds[int(now_s)]
        second.sent += 1
        second.names[name] += 1

    def ended_badly(self, now_s: float, failure: str | None) -> None:
        """Count a request of a bad client that ended as planned (None), or without a connection."""
        self._seconds[int(now_s)].ended_untimed(failure)

    def ended(
        self,
        now_s: float,
        planned_s: float,
        sent_s: float,
        failure: str | None,
        answered_s: float | None = None,
    ) -> None:
        """Count a request that was answered well (None) or failed; its times end at ``answered_s``, by default now."""
        until_s = now_s if answered_s is None else answered_s
        self._seconds[int(now_s)].ended(
            failure, round((until_s - planned_s) * 1e6), round((until_s - sent_s) * 1e6)
        )
        self.in_flight -= 1

    def take(self, second: int) -> Second:
        """Return the counts of a second, and drop them."""
        return self._seconds.pop(second, None) or Second()
