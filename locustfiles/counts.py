"""Counts of each second of load, by arm: requests, failures and times."""

from __future__ import annotations

import json
import weakref
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hdrh.histogram import HdrHistogram

from soak.contract import FAILURE_KINDS, HISTOGRAM_DIGITS, HISTOGRAM_HIGHEST_US, HISTOGRAM_LOWEST_US


class Timings:
    """Latency and service time of requests, and round trips of messages of WebSockets, microseconds.

    Times of requests are recorded as they are, and counted in the histograms together when these are read.
    """

    def __init__(self) -> None:
        self._latency, self._latencies_us = new_histogram(), array("q")
        self._service, self._services_us = new_histogram(), array("q")
        self.round_trip: HdrHistogram | None = None
        """None: there was none, as in nearly all seconds of nearly all loads."""

    @property
    def latency(self) -> HdrHistogram:
        """The histogram of the times from the planned starts."""
        return _filled(self._latency, self._latencies_us)

    @property
    def service(self) -> HdrHistogram:
        """The histogram of the times from the sending."""
        return _filled(self._service, self._services_us)

    def record(self, latency_us: int, service_us: int) -> None:
        """Count one request; a time beyond the histogram's range counts as the end of the range."""
        self._latencies_us.append(latency_us)
        self._services_us.append(service_us)

    def record_round_trip(self, took_us: int) -> None:
        """Count one message that was answered."""
        self._round_trips.record_value(min(took_us, HISTOGRAM_HIGHEST_US))

    def add(self, other: Timings) -> None:
        """Add the requests and messages of ``other``."""
        self.latency.add(other.latency)
        self.service.add(other.service)
        if other.round_trip is not None:
            self._round_trips.add(other.round_trip)

    def pack(self) -> tuple[bytes, ...]:
        """Return the histograms in hdrh's encoding; without a third there was no round trip."""
        round_trip = () if self.round_trip is None else (self.round_trip.encode(),)
        return (self.latency.encode(), self.service.encode(), *round_trip)

    @classmethod
    def unpack(cls, packed: tuple[bytes, ...]) -> Timings:
        """Return what ``pack`` packed."""
        made = cls()
        _add_packed(made.latency, packed[0])
        _add_packed(made.service, packed[1])
        for encoded in packed[2:]:
            _add_packed(made._round_trips, encoded)
        return made

    @property
    def _round_trips(self) -> HdrHistogram:
        if self.round_trip is None:
            self.round_trip = new_histogram()
        return self.round_trip


def new_histogram() -> HdrHistogram:
    """Return an empty histogram of the range and precision of the recordings."""
    return _without_cycle(HdrHistogram(HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, HISTOGRAM_DIGITS))


def _without_cycle(made: HdrHistogram) -> HdrHistogram:
    """Return a histogram that ends with its last reference: by itself it is a cycle of 136 KiB, for the collector."""
    made.encoder.histogram = weakref.proxy(made)
    return made


def _add_packed(histogram: HdrHistogram, encoded: bytes) -> None:
    """Add the counts of a packed histogram, as its ``decode_and_add``."""
    histogram.add(_without_cycle(HdrHistogram.decode(encoded)))


def _filled(histogram: HdrHistogram, values_us: array[int]) -> HdrHistogram:
    """Count the values in the histogram, as its ``record_value`` does one by one, and empty them."""
    if not values_us:
        return histogram
    values = np.clip(np.array(values_us), 0, HISTOGRAM_HIGHEST_US)
    del values_us[:]
    bits = np.frexp(values | histogram.sub_bucket_mask)[1]  # the number of bits, exact below 2**53
    half = histogram.sub_bucket_half_count_magnitude
    buckets = bits - histogram.unit_magnitude - (half + 1)
    places = ((buckets + 1) << half) + (values >> (buckets + histogram.unit_magnitude)) - (1 << half)
    found, counts = np.unique(places, return_counts=True)
    for place, count in zip(found.tolist(), counts.tolist(), strict=True):
        histogram.counts[place] += count
    histogram.total_count += len(values)
    histogram.min_value = min(histogram.min_value, int(values.min()))
    histogram.max_value = max(histogram.max_value, int(values.max()))
    return histogram


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
    opened: int = 0
    """WebSockets that were opened."""
    messages_sent: int = 0
    messages_received: int = 0

    def ended(self, failure: str | None, latency_us: int, service_us: int) -> None:
        """Count a request that was answered well (None) or failed, by its kind of failure."""
        self.ended_untimed(failure)
        self.timings.record(latency_us, service_us)

    def ended_untimed(self, failure: str | None) -> None:
        """Count a request whose times are not those of its end."""
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
        self.opened += other.opened
        self.messages_sent += other.messages_sent
        self.messages_received += other.messages_received

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
            self.opened,
            self.messages_sent,
            self.messages_received,
            *_quantiles_ms(self.timings.round_trip),
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
            "opened": self.opened,
            "messages_sent": self.messages_sent,
            "messages_received": self.messages_received,
        }

    @classmethod
    def unpack(cls, packed: dict[str, Any]) -> Second:
        """Return what ``pack`` packed."""
        counters = {name: Counter(packed[name]) for name in ("failed", "names")}
        return cls(**packed | counters | {"timings": Timings.unpack(packed["timings"])})


def _quantiles_ms(histogram: HdrHistogram | None) -> tuple[str, ...]:
    found = () if histogram is None else quantiles_us(histogram, CSV_QUANTILES)
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

    def opened(self, now_s: float, planned_s: float, sent_s: float) -> None:
        """Count a WebSocket that was opened, with its times."""
        second = self._seconds[int(now_s)]
        second.opened += 1
        second.timings.record(round((now_s - planned_s) * 1e6), round((now_s - sent_s) * 1e6))

    def closed(self, now_s: float, failure: str | None) -> None:
        """Count an open WebSocket that ended as planned (None) or failed."""
        self._seconds[int(now_s)].ended_untimed(failure)
        self.in_flight -= 1

    def message_sent(self, now_s: float) -> None:
        """Count a message that was sent over a WebSocket."""
        self._seconds[int(now_s)].messages_sent += 1

    def message_received(self, now_s: float, sent_s: float | None) -> None:
        """Count a whole message that was received, of a service that echoes with the time since the one it answers."""
        second = self._seconds[int(now_s)]
        second.messages_received += 1
        if sent_s is not None:
            second.timings.record_round_trip(round((now_s - sent_s) * 1e6))

    def take(self, second: int) -> Second:
        """Return the counts of a second, and drop them."""
        return self._seconds.pop(second, None) or Second()
