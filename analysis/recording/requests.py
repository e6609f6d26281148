"""The requests an arm answered, as a function of time."""

from __future__ import annotations

from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import Numbers
from analysis.recording.model import Arm
from soak.contract import FAILURE_KINDS
from soak.contract.columns import LATER_FAILURE_KINDS

COUNTS: Final = ("planned", "sent", "missed", "ok", *(f"failed_{kind}" for kind in FAILURE_KINDS))
"""Columns of requests.csv that every second has."""
LATER: Final = frozenset(f"failed_{kind}" for kind in LATER_FAILURE_KINDS)
"""Those of them that older recordings do not have."""


def uncounted(requests: pd.DataFrame) -> tuple[str, ...]:
    """Return a sentence on the seconds of an arm that lack a count; none where all have theirs."""
    columns = [
        name for name in COUNTS if name in requests and not (name in LATER and requests[name].isna().all())
    ]
    lacking = requests[columns].isna().any(axis=1)
    if not lacking.any():
        return ()
    first_s = requests.loc[lacking, "t_s"].iloc[0]
    return (f"{lacking.sum()} rows of requests.csv lack a count, the first at t_s {first_s:.3f}",)


def answered_by(arm: Arm, t_s: Numbers) -> Numbers:
    """Return the requests the arm had answered well at each ``t_s``; NaN when they were not recorded."""
    if arm.requests.empty:
        return np.full(len(t_s), np.nan)
    # A row counts what was answered during its second, so the sum holds at that second's end.
    ends_s = arm.requests["t_s"].to_numpy(float) + 1
    answered = np.cumsum(np.nan_to_num(arm.requests["ok"].to_numpy(float)))
    return np.asarray(np.interp(t_s, ends_s, answered, left=0.0), dtype=np.float64)
