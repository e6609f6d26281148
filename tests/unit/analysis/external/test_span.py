"""What was read of a file, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from analysis.external.processes import ProcessReadings
from analysis.external.span import span_text
from analysis.judge.types import Numbers, SignalSeries


def process(t_s: Sequence[float], value: float = 2e8) -> ProcessReadings:
    """Return a process with one value at these times."""
    times: Numbers = np.array(t_s, dtype=float)
    same = np.full(len(times), value)
    return ProcessReadings("a", SignalSeries("rss_bytes", times, same, np.ones(len(times)), same))


@pytest.mark.parametrize(
    ("processes", "text"),
    [
        ([process([60.0 * k for k in range(481)])], "481 readings over 8.0 h, usually 60 s apart"),
        ([process([0.5 * k for k in range(5)])], "5 readings over 2 s, usually 0.5 s apart"),
        (
            [process([0, 300, 600]), process([600, 900, 1200])],
            "6 readings of 2 processes over 20 min, usually 5 min apart",
        ),
        ([process([5])], "1 reading over 0 s"),
        ([process([5], np.nan)], "no readings"),
        ([process([])], "no readings"),
    ],
)
def test_the_time_that_was_read_is_stated(processes: list[ProcessReadings], text: str) -> None:
    """Milliseconds that were taken for seconds show as years."""
    assert span_text(processes) == text


def test_readings_that_no_longer_change_are_mentioned() -> None:
    """They may be no readings any more, whatever the verdict."""
    moving = process([300 * at for at in range(300)])
    value = np.minimum(np.arange(300), 100) * 4096.0
    frozen = replace(moving, series=replace(moving.series, value=value))
    same = "without any change in the last 16.6 h"
    assert span_text([frozen]) == f"300 readings over 24.9 h, usually 5 min apart; {same}"
    assert span_text([frozen, process([0, 300])]).endswith(f"; 1 of them {same}")
