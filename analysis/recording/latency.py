"""Quantiles of the latencies, from the histogram log."""

from __future__ import annotations

import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from hdrh.codec import HdrCookieException, HdrLengthException
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from soak.contract import (
    HISTOGRAM_DIGITS,
    HISTOGRAM_HIGHEST_US,
    HISTOGRAM_LOWEST_US,
    LATENCY_TAG,
    SERVICE_TAG,
)
from soak.regular_files import MOST_TABLE_BYTES, open_regular

MOST_LINE_BYTES: Final = 1 << 18
"""Length of the longest line that is read: a histogram of ours has at most 160 kB before it is compressed."""
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


def read_latency(path: Path, start_s: float, end_s: float) -> Latency:
    """Add up the intervals that lie in ``start_s`` to ``end_s``, seconds since the run's start.

    An interval of a tag that begins no later than the one before it is a gap, as everything that cannot be read is.
    """
    quarters = tuple(_Sum() for _ in range(4))
    parts = {LATENCY_TAG: quarters, SERVICE_TAG: (_Sum(),)}
    newest: dict[str, float] = {}
    gaps: tuple[str, ...] = ()
    try:
        with open_regular(path, MOST_TABLE_BYTES) as file:
            for began_s, ended_s, histogram in _intervals(file):
                tag = histogram.get_tag()
                if began_s <= newest.get(tag, -math.inf):
                    gaps = (
                        f"{path.name}: an interval is there twice or time goes back, at t_s {began_s:.3f}",
                    )
                newest[tag] = began_s
                # The middle, because an interval belongs to one phase but its bounds are the load generator's.
                middle_s = (began_s + ended_s) / 2
                if start_s <= middle_s <= end_s and tag in parts:
                    those = parts[tag]
                    part = int(len(those) * (middle_s - start_s) / max(end_s - start_s, 1e-9))
                    those[min(part, len(those) - 1)].add(histogram)
    except FileNotFoundError:
        return Latency(gaps=(f"{path.name} is missing",))
    except OSError as error:
        return Latency(gaps=(f"{path.name} is not readable ({error.strerror})",))
    except (ValueError, IndexError, RuntimeError, zlib.error, HdrCookieException, HdrLengthException):
        # All that the reader raises for a line that is torn or damaged.
        gaps = (f"{path.name}: a damaged line; what follows it may be missing",)
    quantiles = {tag: _quantiles_ms(those) for tag, those in parts.items()}
    if not gaps and quantiles[LATENCY_TAG] is None:
        gaps = (f"{path.name}: no latencies of the load",)
    return Latency(quantiles[LATENCY_TAG], quantiles[SERVICE_TAG], gaps, _quarters(quarters))


class _Sum:
    """Adds histograms up. The library does, too; ten times as slowly, which counts in a recording of days."""

    def __init__(self) -> None:
        self.counts = np.zeros(_new_histogram().counts_len, np.uint64)

    def add(self, histogram: Any) -> None:
        """Add the counts of one that was made as ours are; raises ValueError for any other."""
        self.counts += np.frombuffer(histogram.counts, np.uint64)

    def histogram(self) -> Any:
        """Return the sum."""
        total = _new_histogram()
        np.frombuffer(total.counts, np.uint64)[:] = self.counts
        if len(filled := np.flatnonzero(self.counts)):
            total.set_internal_tacking_values(int(filled[0]), int(filled[-1]), int(self.counts.sum()))
        return total


class _Lines:
    """What the log's reader reads lines from: a file that is open already; a line beyond the bound is damage."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.rows = 0
        """Lines read that are neither a comment nor the legend."""

    def readline(self) -> str:
        """Return the next line; empty at the end. Raises ValueError for one that is too long or no text."""
        line = self._file.readline(MOST_LINE_BYTES + 1)
        if len(line) > MOST_LINE_BYTES:
            raise ValueError("the line is too long")
        self.rows += line[:1] not in {b"", b"#", b'"'}
        return line.decode("utf-8")

    def close(self) -> None:
        """Leave the file to whoever opened it."""


def _new_histogram() -> Any:
    untyped: Any = HdrHistogram
    return untyped(HISTOGRAM_LOWEST_US, HISTOGRAM_HIGHEST_US, HISTOGRAM_DIGITS)


def _intervals(file: BinaryIO) -> Iterator[tuple[float, float, Any]]:
    """Yield each interval's start and end, seconds since the run's start, and its histogram.

    Raises what the log's reader raises for damage, and ValueError for a line that it passes over.
    """
    untyped: Any = HistogramLogReader
    reader = untyped(os.devnull, _new_histogram())  # it opens by name what may be replaced by then
    reader.input_file.close()
    reader.input_file = lines = _Lines(file)
    read = 0
    while (histogram := reader.get_next_interval_histogram(absolute=True)) is not None:
        read += 1
        began_ms, ended_ms = histogram.get_start_time_stamp(), histogram.get_end_time_stamp()
        yield began_ms / 1000 - reader.base_time_sec, ended_ms / 1000 - reader.base_time_sec, histogram
    if read < lines.rows:
        raise ValueError("the reader passed over a line in silence")


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
