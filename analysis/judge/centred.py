"""What a signal does within each life, whose level is its own."""

from __future__ import annotations

import numpy as np

from analysis.judge.types import Numbers


def centred(values: Numbers, life: Numbers) -> Numbers:
    """Return the values less the mean of their life."""
    rest = np.array(values, dtype=np.float64)
    for one in np.unique(life):
        rest[life == one] -= rest[life == one].mean(axis=0)
    return rest
