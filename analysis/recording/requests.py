"""The requests an arm answered, as a function of time."""

from __future__ import annotations

import numpy as np

from analysis.judge.types import Numbers
from analysis.recording.model import Arm


def answered_by(arm: Arm, t_s: Numbers) -> Numbers:
    """Return the requests the arm had answered well at each ``t_s``; NaN when they were not recorded."""
    if arm.requests.empty:
        return np.full(len(t_s), np.nan)
    # A row counts what was answered during its second, so the sum holds at that second's end.
    ends_s = arm.requests["t_s"].to_numpy(float) + 1
    answered = np.cumsum(np.nan_to_num(arm.requests["ok"].to_numpy(float)))
    return np.asarray(np.interp(t_s, ends_s, answered, left=0.0), dtype=np.float64)
