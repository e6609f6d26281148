"""The requests of attached processes as the rows of a recording."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from analysis.prometheus.answers import Series
from analysis.prometheus.queries import Query
from analysis.prometheus.requests import answered
from analysis.recording.model import Phase
from soak.contract import LOAD, REQUEST_COLUMNS, names

STEP_S: Final = 15.0
"""Time between two rows of requests, seconds; of a short recording a hundredth of it, at least a second."""
ROWS: Final = 100
"""Rows of requests of a short recording, at least, unless they would be less than a second apart."""


def request_rows(series: tuple[Series, ...], query: Query, began_s: float, load: Phase) -> pd.DataFrame:
    """Return the rows of requests.csv, without the arm; ``ok`` are the requests since the row before, NaN if unknown.

    ``began_s`` is the start of the run, seconds since 1970. All series are added up: they are the load of all arms.
    """
    step_s = min(STEP_S, max(1.0, (load.end_s - load.start_s) / ROWS))
    ends_s = np.unique(np.append(np.arange(load.start_s, load.end_s, step_s), load.end_s))
    so_far = answered(series, query, began_s + ends_s)
    # A row counts what was answered until a second after its time.
    rows = pd.DataFrame({"t_s": np.maximum(ends_s[1:] - 1, 0.0), "phase": LOAD, "ok": np.diff(so_far)})
    return rows.reindex(columns=list(names(REQUEST_COLUMNS)))


def known_share(rows: pd.DataFrame) -> float:
    """Return the share of the rows whose requests are known; 0 without a row."""
    return float(rows["ok"].notna().mean()) if len(rows) else 0.0
