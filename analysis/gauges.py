"""What the gauges of a target say of its caches: stopped at a bound, or growing still."""

from __future__ import annotations

from typing import Final

import pandas as pd

from analysis.other_gauges import PREFIX
from analysis.recording import Arm, Phase

GAUGES: Final = ("cache_entries", "history_entries")
"""Those with columns of their own; all others count as well."""
TAIL: Final = 0.3
"""Of the readings: a gauge that holds its level for so long has stopped."""
LEVEL: Final = 0.01
"""Of its highest value: by so much may it move and still hold its level."""
MIN_READINGS: Final = 10


def bounded(arm: Arm, load: Phase) -> bool | None:
    """Return True when every gauge that grew has stopped at a bound, False when one still grows, else None."""
    rows = arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)]
    others = (column for column in rows.columns if column.startswith(PREFIX))
    found = [_stopped(rows.dropna(subset=gauge), gauge) for gauge in (*GAUGES, *others)]
    known = [stopped for stopped in found if stopped is not None]
    return all(known) if known else None


def _stopped(rows: pd.DataFrame, gauge: str) -> bool | None:
    """Judge the life with the most readings; one that only swings or holds nothing explains nothing."""
    values = max((column for _, column in rows.groupby("life")[gauge]), key=len, default=None)
    if values is None or len(values) < MIN_READINGS or values.max() <= 0:
        return None
    tail = values.iloc[int(len(values) * (1 - TAIL)) :]
    if tail.max() - tail.min() <= LEVEL * values.max():
        return True
    never_falls = bool(values.is_monotonic_increasing)
    return False if never_falls and tail.iloc[-1] > tail.iloc[0] else None
