"""The requests an arm answered and was sent, as a function of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from analysis.judge.types import Numbers
from analysis.recording.csv_table import read_table
from analysis.recording.gauges import numbers_of
from analysis.recording.model import Arm
from soak.contract import REQUESTS

MOST_NAMES: Final = 100
"""Names of requests that are read: a profile has as many kinds."""


def answered_by(arm: Arm, t_s: Numbers) -> Numbers:
    """Return the requests the arm had answered well at each ``t_s``; NaN when they were not recorded."""
    if arm.requests.empty:
        return np.full(len(t_s), np.nan)
    # A row counts what was answered during its second, so the sum holds at that second's end.
    ends_s = arm.requests["t_s"].to_numpy(float) + 1
    answered = arm.requests["ok"].fillna(0).cumsum().to_numpy(float)
    return np.asarray(np.interp(t_s, ends_s, answered, left=0.0), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class SentByName:
    """The requests sent in each second by their name."""

    ends_s: Numbers
    """End of each second, ``t_s``."""
    sent: Mapping[str, Numbers]
    """Requests of a name up to each end, all seconds before it included; empty where the recording has no names."""

    def before(self, t_s: Numbers) -> dict[str, Numbers]:
        """Return the requests of each name sent before each ``t_s``."""
        return {
            name: np.asarray(np.interp(t_s, self.ends_s, sent, left=0.0), dtype=np.float64)
            for name, sent in self.sent.items()
        }


def read_sent_by_name(arm_dir: Path) -> SentByName:
    """Read an arm's requests by name, which takes long and few reports need; a damaged cell counts for nothing."""
    frame = read_table(arm_dir / REQUESTS, ("t_s",), ("sent_by_name",), required=False).frame
    seconds = frame["t_s"].to_numpy(float)
    counts: dict[str, Numbers] = {}
    for row, text in enumerate(frame["sent_by_name"]):
        for name, sent in numbers_of(text).items():
            if sent <= 0:
                continue
            if name not in counts and len(counts) < MOST_NAMES:
                counts[name] = np.zeros(len(seconds))
            if name in counts:
                counts[name][row] += sent
    return SentByName(seconds + 1, {name: count.cumsum() for name, count in counts.items()})
