"""How well a beginning that no shape explains is explained by what may take any: random walks."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from analysis.judge.types import Numbers

BENDS: Final = (1e0, 3e1, 1e3, 3e4, 1e6, 3e7)
"""Variances of a random walk of the slope over the run, in that of the noise beside it: what rises smoothly."""
MOVES: Final = (1e1, 3e2, 1e4, 3e5)
"""The same of a random walk of the level: stairs."""


class Beginning:
    """The points of one beginning; what depends on their times alone is computed once."""

    def __init__(self, share: Numbers, life: Numbers) -> None:
        """Take times in shares of the run, and lives."""
        self._lives = [np.flatnonzero(life == one) for one in np.unique(life)]
        lives = [places for places in self._lives if len(places) > 2]
        self._parts = [(places, *_residuals(share[places] - share[places[0]])) for places in lives]
        self._freedom = sum(len(places) - 2 for places in lives)

    def log_evidence(self, value: Numbers, floor: float) -> float:
        """Return the log evidence of the values, averaged over the walks; ``floor`` is the least variance of the noise.

        It is that of restricted likelihood (Harville 1974): flat in a line for each life, the scale of the noise
        integrated out. What the lines take counts as so much noise, or leaving it out would be worth something.
        """
        count = sum(map(len, self._lives))
        taken = (count - self._freedom) / 2 * (1 + np.log(2 * np.pi * self._noise(value, floor)))
        if not self._parts:
            return -float(taken)
        total, rest = np.zeros((2, len(BENDS) + len(MOVES)))
        for places, left, logs in self._parts:
            rest += np.einsum("i,kij,j->k", value[places], left, value[places])
            total += logs
        half = self._freedom / 2
        total += float(gammaln(half)) - half * np.log(np.pi * (rest + self._freedom * floor))
        most = float(total.max())
        return most + float(np.log(np.exp(total - most).mean()) - taken)

    def _noise(self, value: Numbers, floor: float) -> float:
        """Return the variance of the noise, by what is left where the walk is straight."""
        bends = [np.abs(np.diff(value[places], 2)) for places in self._lives]
        usual = 1.4826 * float(np.median(np.concatenate(bends))) if any(map(len, bends)) else 0.0
        return max(usual**2 / 6, floor)


def _residuals(share: Numbers) -> tuple[Numbers, Numbers]:
    """Return for each walk the quadratic form of the residuals of a line, and the log of what scales its density."""
    early, late = np.minimum(share[:, None], share[None, :]), np.maximum(share[:, None], share[None, :])
    bends, moves = early**2 * (3 * late - early) / 6, early
    eye = np.eye(len(share))
    walks = np.stack([*(size * bends + eye for size in BENDS), *(size * moves + eye for size in MOVES)])
    line = np.column_stack([np.ones(len(share)), share / max(float(share[-1]), 1e-9)])
    inverse = np.linalg.inv(walks)
    onto = inverse @ line
    inner = line.T @ onto
    left: npt.NDArray[np.float64] = inverse - onto @ np.linalg.solve(inner, np.swapaxes(onto, 1, 2))
    bare = np.linalg.slogdet(line.T @ line)[1]
    logs = -0.5 * (np.linalg.slogdet(walks)[1] + np.linalg.slogdet(inner)[1] - bare)
    return left, np.asarray(logs)
