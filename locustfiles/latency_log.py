"""Interval histograms of one arm in the standard HdrHistogram log format."""

from __future__ import annotations

from typing import TextIO

from hdrh.log import HistogramLogWriter

from locustfiles.timings import Timings
from soak.contract import LATENCY_TAG, SERVICE_TAG

_US_PER_MS = 1000.0


class LatencyLog:
    """Writes intervals to an open text file; times are ``t_s``. Raises OSError when the file cannot be written."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._writer = HistogramLogWriter(file)
        self._writer.output_comment("[microseconds; times are seconds since the run's start]")
        self._writer.output_log_format_version()
        # Base 0 keeps readers from taking the first interval for the start of time.
        self._writer.output_base_time(0)
        self._writer.output_legend()
        file.flush()

    def write(self, timings: Timings, start_s: float, end_s: float) -> None:
        """Append both histograms of an interval, each under its tag, and flush."""
        for tag, histogram in ((LATENCY_TAG, timings.latency), (SERVICE_TAG, timings.service)):
            # The writer takes a time of 0 from the histogram's own stamps, milliseconds, and knows no tags.
            histogram.set_start_time_stamp(start_s * 1000)
            histogram.set_end_time_stamp(end_s * 1000)
            self._file.write(f"Tag={tag},")
            self._writer.output_interval_histogram(histogram, max_value_unit_ratio=_US_PER_MS)
        self._file.flush()
