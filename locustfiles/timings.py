"""How long requests took, as HDR histograms that can be added up and sent to another process."""

from __future__ import annotations

import numpy as np
from hdrh.histogram import HdrHistogram

from soak.contract import HISTOGRAM_DIGITS, HISTOGRAM_HIGHEST_US, HISTOGRAM_LOWEST_US


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
