"""Quantiles of the latencies, from the histogram log."""

from __future__ import annotations

import math
import re
import struct
import zlib
from binascii import a2b_base64
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from hdrh.codec import get_compression_cookie, get_encoding_cookie
from hdrh.histogram import HdrHistogram
from pyhdrh import decode

from soak.contract import (
    HISTOGRAM_DIGITS,
    HISTOGRAM_HIGHEST_US,
    HISTOGRAM_LOWEST_US,
    LATENCY_TAG,
    ROUND_TRIP_TAG,
    SERVICE_TAG,
)
from soak.regular_files import MOST_TABLE_BYTES, open_regular

MOST_LINE_BYTES: Final = 1 << 18
"""Length of the longest line that is read: a histogram of ours has at most 160 kB before it is compressed."""
LINE: Final = re.compile(rb"(?:Tag=([^,]*),)?([\d.]+),([\d.]+),[\d.]+,([A-Za-z0-9+/=]+)\n?")
"""An interval: its tag, its start and its length, both seconds, and the histogram (HdrHistogram log format 1.2)."""
COMPRESSED: Final = struct.Struct(">II")
"""Head of a compressed histogram: its cookie and the bytes that follow (HdrHistogram V2)."""
ENCODED: Final = struct.Struct(">IIIIQQd")
"""Head of a histogram: its cookie, bytes of counts, offset, digits, lowest and highest value, and ratio of its unit."""
QUANTILES: Final = (50.0, 90.0, 99.0, 99.9, 100.0)
"""The quantiles that are read, percent; 100 is the maximum."""
QUANTILE_NAMES: Final = ("p50", "p90", "p99", "p99.9", "max")


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles in milliseconds, in the order of QUANTILES; None when there are no histograms."""

    latency_ms: tuple[float, ...] | None = None
    """Time from the planned start to the answer."""
    service_ms: tuple[float, ...] | None = None
    """Time from the sending to the answer."""
    gaps: tuple[str, ...] = ()
    quarters_p99_ms: tuple[float, float, float, float] | None = None
    """p99 of the latency in each quarter of the load; None where one of them has no interval."""
    round_trip_ms: tuple[float, ...] | None = None
    """Time from a message of a WebSocket to its echo."""


def read_latency(path: Path, start_s: float, end_s: float) -> Latency:
    """Add up the intervals that lie in ``start_s`` to ``end_s``, seconds since the run's start.

    An interval of a tag that begins no later than the one before it is a gap, as everything that cannot be read is.
    """
    quarters = tuple(_Sum() for _ in range(4))
    parts = {LATENCY_TAG: quarters, SERVICE_TAG: (_Sum(),), ROUND_TRIP_TAG: (_Sum(),)}
    newest: dict[str, float] = {}
    gaps: tuple[str, ...] = ()
    try:
        with open_regular(path, MOST_TABLE_BYTES) as file:
            for tag, began_s, length_s, histogram in _intervals(file):
                if began_s <= newest.get(tag, -math.inf):
                    gaps = (
                        f"{path.name}: an interval is there twice or time goes back, at t_s {began_s:.3f}",
                    )
                newest[tag] = began_s
                # The middle, because an interval belongs to one phase but its bounds are the load generator's.
                middle_s = began_s + length_s / 2
                if start_s <= middle_s <= end_s and tag in parts:
                    those = parts[tag]
                    part = int(len(those) * (middle_s - start_s) / max(end_s - start_s, 1e-9))
                    those[min(part, len(those) - 1)].add(histogram)
    except FileNotFoundError:
        return Latency(gaps=(f"{path.name} is missing",))
    except OSError as error:
        return Latency(gaps=(f"{path.name} is not readable ({error.strerror})",))
    except ValueError:
        gaps = (f"{path.name}: a damaged line; what follows it may be missing",)
    quantiles = {tag: _quantiles_ms(those) for tag, those in parts.items()}
    if not gaps and quantiles[LATENCY_TAG] is None:
        gaps = (f"{path.name}: no latencies of the load",)
    return Latency(
        quantiles[LATENCY_TAG], quantiles[SERVICE_TAG], gaps, _quarters(quarters), quantiles[ROUND_TRIP_TAG]
    )


class _Sum:
    """Adds histograms up, from the log itself: the library takes ten times as long, which counts in days of a log."""

    def __init__(self) -> None:
        self.counts = np.zeros(_new_histogram().counts_len, np.uint64)
        self.one = np.zeros_like(self.counts)
        """The counts of one histogram while they are added; 0 otherwise."""
        self.address = self.one.ctypes.data

    def add(self, encoded: bytes) -> None:
        """Add the counts of a histogram that was made as ours are; raises ValueError for any other."""
        try:
            found = decode(encoded, ENCODED.size, self.address, len(self.one), self.one.itemsize)
        except (IndexError, RuntimeError) as error:
            raise ValueError("the counts are damaged") from error
        if found["total"]:
            filled = slice(found["min_nonzero_index"], found["max_nonzero_index"] + 1)
            self.counts[filled] += self.one[filled]
            self.one[filled] = 0

    def histogram(self) -> Any:
        """Return the sum."""
        total = _new_histogram()
        np.frombuffer(total.counts, np.uint64)[:] = self.counts
        if len(filled := np.flatnonzero(self.counts)):
            total.set_internal_tacking_values(int(filled[0]), int(filled[-1]), int(self.counts.sum()))
        return total


def _new_histogram() -> Any:
    untyped: Any = HdrHistogram
    return untyped(HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, HISTOGRAM_DIGITS)


def _intervals(file: BinaryIO) -> Iterator[tuple[str, float, float, bytes]]:
    """Yield each interval's tag, its start, seconds since the run's start, its length, seconds, and its histogram.

    Raises ValueError for a line that is too long, torn or damaged.
    """
    while line := file.readline(MOST_LINE_BYTES + 1):
        if line[:1] in {b"#", b'"'}:  # a comment, or the legend
            continue
        found = LINE.fullmatch(line)
        if len(line) > MOST_LINE_BYTES or found is None:
            raise ValueError("no interval, or one that is too long")
        tag, began_s, length_s, histogram = found.groups()
        yield (tag or b"").decode(), float(began_s), float(length_s), _unpacked(histogram)


def _unpacked(histogram: bytes) -> bytes:
    """Return the head and the counts of a histogram in the log; raises ValueError for one that is not as ours are."""
    content = a2b_base64(histogram)
    try:
        cookie, size = COMPRESSED.unpack_from(content)
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(content[COMPRESSED.size :], MOST_LINE_BYTES)
        kind, _, _, digits, lowest, highest, _ = ENCODED.unpack_from(unpacked)
    except (zlib.error, struct.error) as error:
        raise ValueError("no histogram") from error
    ours = (get_compression_cookie(), len(content) - COMPRESSED.size, get_encoding_cookie())
    settings = (HISTOGRAM_DIGITS, HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US)
    if not unpacker.eof or (cookie, size, kind) != ours or (digits, lowest, highest) != settings:
        raise ValueError("no histogram of ours")
    return unpacked


def _quarters(sums: tuple[_Sum, ...]) -> tuple[float, float, float, float] | None:
    histograms = [one.histogram() for one in sums]
    p99_us = [h.get_value_at_percentile(99.0) for h in histograms if h.get_total_count()]
    if len(p99_us) < 4:
        return None
    first, second, third, fourth = (us / 1000 for us in p99_us)
    return first, second, third, fourth


def _quantiles_ms(sums: tuple[_Sum, ...]) -> tuple[float, ...] | None:
    whole = _Sum()
    for one in sums:
        whole.counts += one.counts
    histogram = whole.histogram()
    if not histogram.get_total_count():
        return None
    values_us = histogram.get_percentile_to_value_dict(QUANTILES)
    return tuple(values_us[percent] / 1000 for percent in QUANTILES)
