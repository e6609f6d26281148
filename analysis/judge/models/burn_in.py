"""The marginal likelihood of a burn-in: points before the fitted part, explained by random walks of any form."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from analysis.judge.points.outliers import robust_sigma
from analysis.judge.types import Numbers

SLOPE_WALK_VARIANCES: Final = (1e0, 3e1, 1e3, 3e4, 1e6, 3e7)
"""Variances over the run of a random walk of the slope, a smooth rise, in units of the noise's variance."""
LEVEL_WALK_VARIANCES: Final = (1e1, 3e2, 1e4, 3e5)
"""Variances over the run of a random walk of the level, a staircase, in units of the noise's variance."""


class BurnIn:
    """The points of one burn-in; what depends on their times alone is computed once."""

    def __init__(self, share: Numbers, life: Numbers) -> None:
        """Take times in shares of the run, and lives."""
        self._lives = [np.flatnonzero(life == one) for one in np.unique(life)]
        lives = [places for places in self._lives if len(places) > 2]
        self._parts = [(places, *_residual_forms(share[places] - share[places[0]])) for places in lives]
        self._dof = sum(len(places) - 2 for places in lives)

    def log_evidence(self, value: Numbers, least_variance: float) -> float:
        """Return the log evidence (marginal likelihood) of the values, averaged over the random walks.

        Restricted likelihood (Harville 1974): flat priors on a line for each life, the scale of the noise integrated
        out. The degrees of freedom of the lines count as noise, or leaving them out would raise the likelihood.
        ``least_variance`` bounds that of the noise from below.
        """
        count = sum(map(len, self._lives))
        lines = (count - self._dof) / 2 * (1 + np.log(2 * np.pi * self._noise(value, least_variance)))
        if not self._parts:
            return -float(lines)
        total, squares = np.zeros((2, len(SLOPE_WALK_VARIANCES) + len(LEVEL_WALK_VARIANCES)))
        for places, forms, logs in self._parts:
            squares += np.einsum("i,kij,j->k", value[places], forms, value[places])
            total += logs
        half = self._dof / 2
        total += float(gammaln(half)) - half * np.log(np.pi * (squares + self._dof * least_variance))
        most = float(total.max())
        return most + float(np.log(np.exp(total - most).mean()) - lines)

    def _noise(self, value: Numbers, least_variance: float) -> float:
        """Return the variance of the noise by second differences, whose variance is six times that of the noise."""
        bends = [np.diff(value[places], 2) for places in self._lives]
        usual = float(robust_sigma(np.concatenate(bends))) if any(map(len, bends)) else 0.0
        return max(usual**2 / 6, least_variance)


def _residual_forms(share: Numbers) -> tuple[Numbers, Numbers]:
    """Return for each random walk the quadratic form of the residuals of a line, and the log of its density's scale.

    Shapes (k, n, n) and (k,) for k walks and n points.
    """
    early, late = np.minimum(share[:, None], share[None, :]), np.maximum(share[:, None], share[None, :])
    slope_walk, level_walk = early**2 * (3 * late - early) / 6, early
    eye = np.eye(len(share))
    walks = np.stack(
        [
            *(size * slope_walk + eye for size in SLOPE_WALK_VARIANCES),
            *(size * level_walk + eye for size in LEVEL_WALK_VARIANCES),
        ]
    )
    line = np.column_stack([np.ones(len(share)), share / max(float(share[-1]), 1e-9)])
    inverse = np.linalg.inv(walks)
    onto = inverse @ line
    inner = line.T @ onto
    forms: npt.NDArray[np.float64] = inverse - onto @ np.linalg.solve(inner, np.swapaxes(onto, 1, 2))
    bare = np.linalg.slogdet(line.T @ line)[1]
    logs = -0.5 * (np.linalg.slogdet(walks)[1] + np.linalg.slogdet(inner)[1] - bare)
    return forms, np.asarray(logs)
