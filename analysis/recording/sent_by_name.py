"""The requests sent to an arm by their name, as functions of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import Numbers
from analysis.recording.gauges import numbers_of
from soak.contract import ROTATE_S

SENT_COLUMN: Final = "sent_by_name"
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

    def followed_by(self, later: SentByName) -> SentByName:
        """Return these seconds and those of ``later``, which counts from their end."""
        names = islice(dict.fromkeys((*self.sent, *later.sent)), MOST_NAMES)
        none, none_later = np.zeros(len(self.ends_s)), np.zeros(len(later.ends_s))
        parts = {name: (self.sent.get(name, none), later.sent.get(name, none_later)) for name in names}
        return SentByName(
            np.concatenate([self.ends_s, later.ends_s]),
            {name: np.concatenate([early, early[-1:].sum() + late]) for name, (early, late) in parts.items()},
        )

    def thinned(self, t_s: Numbers) -> SentByName:
        """Return the seconds by which what was sent before each ``t_s``, and in half a turn before it, stays as it is.

        The newest turn is kept whole: readings in it may follow.
        """
        if not len(t_s) or not len(self.ends_s):
            return self
        newest_s = self.ends_s[self.ends_s > t_s.max() - ROTATE_S]
        after = np.searchsorted(
            self.ends_s, np.concatenate([t_s, t_s - ROTATE_S / 2, newest_s]), side="right"
        )
        kept = np.unique(np.clip(np.concatenate([after - 1, after]), 0, len(self.ends_s) - 1))
        return SentByName(self.ends_s[kept], {name: sent[kept] for name, sent in self.sent.items()})


def taken_out(requests: pd.DataFrame) -> tuple[SentByName, pd.DataFrame]:
    """Return what rows of requests.csv have by name, and the rows without it; nothing where it was not read."""
    if SENT_COLUMN not in requests:
        return SentByName(), requests
    return sent_by_name(requests), requests.drop(columns=SENT_COLUMN)


def sent_by_name(requests: pd.DataFrame) -> SentByName:
    """Return an arm's requests by name, of rows of requests.csv with SENT_COLUMN; a damaged cell counts for nothing."""
    seconds = requests["t_s"].to_numpy(float)
    counts: dict[str, Numbers] = {}
    for row, text in enumerate(requests[SENT_COLUMN]):
        for name, sent in numbers_of(text).items():
            if not 0 < sent <= MOST_SENT:
                continue
            if name not in counts and len(counts) < MOST_NAMES:
                counts[name] = np.zeros(len(seconds))
            if name in counts:
                counts[name][row] += sent
    return SentByName(seconds + 1, {name: count.cumsum() for name, count in counts.items()})
