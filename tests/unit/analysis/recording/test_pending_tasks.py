from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.recording.pending_tasks import PENDING, with_pending_tasks

NAN = float("nan")


@pytest.mark.parametrize(
    ("finished", "expected"),
    [
        # up to Python 3.13 all are counted; beyond 100,000 it is not known how many are finished
        ((2.0, 3.0, NAN, 4.0), (8.0, 7.0, NAN, 6.0)),
        # since 3.14 a row counts the pending ones alone; a quiesce point, the last row here, counts all
        ((NAN, NAN, NAN, 4.0), (10.0, 10.0, 10.0, 6.0)),
    ],
)
def test_pending_tasks_by_what_each_python_counts(
    finished: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    """Finished tasks are none of them, whether they are in the count or not."""
    rows = {"life": 1, "rung": ["", "", "", "point"], "tasks_alive": 10.0, "tasks_finished": finished}
    assert np.array_equal(with_pending_tasks(pd.DataFrame(rows))[PENDING], expected, equal_nan=True)
