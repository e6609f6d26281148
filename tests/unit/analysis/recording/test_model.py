"""Where an arm's readings of a column are."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from analysis.recording.latency import Latency
from analysis.recording.measurements import peak
from analysis.recording.model import Arm

NONE = [math.nan] * 3


@pytest.mark.parametrize(
    ("seconds", "points", "read"),
    [
        ([1.0, math.nan, 3.0], [7.0, 8.0], [1.0, 3.0]),
        (NONE, [7.0, math.nan], [7.0]),
        (NONE, [], []),
        (None, [7.0, 8.0], [7.0, 8.0]),
        (None, None, []),
    ],
)
def test_what_only_a_pause_can_count_is_read_at_the_points(
    seconds: list[float] | None, points: list[float] | None, read: list[float]
) -> None:
    """As finished tasks of CPython 3.14 are; where each second has a reading the points add none."""
    arm = Arm(
        "app", "", None, (), _rows(seconds), pd.DataFrame(), _rows(points), pd.DataFrame(), Latency(), ()
    )
    assert list(arm.readings("tasks_finished")["tasks_finished"]) == read
    assert peak(arm, "tasks_finished").value == (max(read) if read else None)


def _rows(values: list[float] | None) -> pd.DataFrame:
    rows = pd.DataFrame(
        {
            "t_s": [float(place) for place in range(len(NONE if values is None else values))],
            "life": 1,
            "phase": "load",
        }
    )
    return rows if values is None else rows.assign(tasks_finished=values)
