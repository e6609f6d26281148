"""The requests sent to an arm by their name, as functions of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np

from analysis.judge.types import Numbers
from analysis.recording.csv_table import read_table
from analysis.recording.gauges import numbers_of
from soak.contract import REQUESTS

MOST_NAMES: Final = 100
"""Names of requests that are read: a profile has as many kinds."""
MOST_SENT: Final = 1e9
"""Requests of a name in a second, at most; more are damage."""


@dataclass(frozen=True, slots=True)
class SentByName:
    """The requests sent in each second by their name."""

    ends_s: Numbers = field(default_factory=lambda: np.zeros(0))
    """End of each second, ``t_s``."""
    sent: Mapping[str, Numbers] = field(default_factory=dict)
    """Requests of a name up to each end, all seconds before it included; empty where they have no names, or the mix
    does not rotate."""

    def before(self, t_s: Numbers) -> dict[str, Numbers]:
        """Return the requests of each name sent before each ``t_s``."""
        return {
            name: np.asarray(np.interp(t_s, self.ends_s, sent, left=0.0), dtype=np.float64)
            for name, sent in self.sent.items()
        }

    def between(self, start_s: Numbers, end_s: Numbers) -> dict[str, Numbers]:
        """Return the requests of each name sent from each start to its end."""
        before = self.before(start_s)
        return {name: sent - before[name] for name, sent in self.before(end_s).items()}


def read_sent_by_name(arm_dir: Path) -> SentByName:
    """Read an arm's requests by name; a damaged cell counts for nothing."""
    frame = read_table(arm_dir / REQUESTS, ("t_s",), ("sent_by_name",), required=False).frame
    seconds = frame["t_s"].to_numpy(float)
    counts: dict[str, Numbers] = {}
    for row, text in enumerate(frame["sent_by_name"]):
        for name, sent in numbers_of(text).items():
            if not 0 < sent <= MOST_SENT:
                continue
            if name not in counts and len(counts) < MOST_NAMES:
                counts[name] = np.zeros(len(seconds))
            if name in counts:
                counts[name][row] += sent
    return SentByName(seconds + 1, {name: count.cumsum() for name, count in counts.items()})
