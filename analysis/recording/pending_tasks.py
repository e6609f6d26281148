"""The pending tasks of a process, from the counts of its tasks, which differ by its Python."""

from __future__ import annotations

from typing import Final

import pandas as pd

PENDING: Final = "tasks_pending"
"""Column of the samples made when they are read: tasks alive that are not finished."""


def with_pending_tasks(samples: pd.DataFrame) -> pd.DataFrame:
    """Return ``samples``, rows of single processes, with the column PENDING; NaN where it cannot be known.

    Since CPython 3.14 the tasks of an ordinary row are the pending ones alone, and finished ones are not counted there.
    """
    alive, finished = samples["tasks_alive"], samples["tasks_finished"]
    ordinary = finished.where(samples["rung"] == "")
    pending_only = ordinary.groupby(samples["life"]).transform("count") == 0
    return samples.assign(**{PENDING: (alive - finished).fillna(alive.where(pending_only))})
