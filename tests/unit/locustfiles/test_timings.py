from __future__ import annotations

import random

import numpy as np
import pytest

from locustfiles.counts import Timings, new_histogram, quantiles_us
from soak.contract import HISTOGRAM_HIGHEST_US

SHARES = (0.5, 0.9, 0.99, 1.0)


def _timings(*latencies_us: int) -> Timings:
    made = Timings()
    for latency_us in latencies_us:
        made.record(latency_us, latency_us // 2)
    return made


@pytest.mark.parametrize("count", [1, 2, 99, 1000])
def test_quantiles_are_those_of_the_values(count: int) -> None:
    """The quantile q is the smallest value that a share q does not exceed, within the histogram's three digits."""
    draw = random.Random(count)
    values = [round(draw.lognormvariate(8, 2)) for _ in range(count)]
    expected = np.quantile(values, SHARES, method="inverted_cdf")
    assert quantiles_us(_timings(*values).latency, SHARES) == pytest.approx(expected, rel=1e-3, abs=1)


def test_no_values_have_no_quantiles() -> None:
    """Of nothing there is no quantile, not even 0."""
    assert quantiles_us(new_histogram(), SHARES) == ()


def test_what_is_beyond_the_range_is_counted() -> None:
    """A time above the highest value of the histogram is not lost."""
    timings = _timings(10 * HISTOGRAM_HIGHEST_US)
    assert timings.latency.get_total_count() == 1
    assert quantiles_us(timings.latency, (1.0,)) == pytest.approx((HISTOGRAM_HIGHEST_US,), rel=1e-3)


def test_packed_and_added_is_as_if_recorded_in_one_place() -> None:
    """Histograms that went through messages and were added have the counts of one that saw all values."""
    total = Timings()
    for part in (_timings(1000, 2000), _timings(), _timings(5_000_000)):
        total.add(Timings.unpack(part.pack()))
    whole = _timings(1000, 2000, 5_000_000)
    for ours, theirs in ((total.latency, whole.latency), (total.service, whole.service)):
        assert list(ours.counts) == list(theirs.counts)
        assert ours.get_total_count() == 3
        assert ours.get_max_value() == pytest.approx(theirs.get_max_value(), rel=1e-3)
