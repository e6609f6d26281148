"""The covariance family: correlations that the noise of memory readings may have."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers

SHORT_LENGTHS: Final = (0.0, 0.01)
"""Correlation lengths of the short-range part of the noise, in shares of the run; 0 is independent noise."""
LONG_LENGTHS: Final = (0.03, 0.1, 0.3, 1.0)
"""Correlation lengths of the long-range part of the noise, in shares of the run; the longest is near a random walk."""
LONG_VARIANCE_SHARES: Final = (0.12, 0.45, 0.9)
"""Shares of the noise's variance that are of long range."""


def covariance_family(t_s: Numbers, life: Numbers) -> tuple[Numbers, Numbers]:
    """Return the inverse Cholesky factors of all m correlations of the family, and the logs of their diagonals.

    Shapes (m, n, n) and (m, n) for n points. The first is independent noise. Each of the others is the sum of a short
    and a long Ornstein-Uhlenbeck process, exp(-lag / length), the AR(1) of irregular times; the mean of all long ones
    is close to 1/f noise. Lives are independent of each other.
    """
    same_life = life[:, None] == life[None, :]
    lag = np.abs(t_s[:, None] - t_s[None, :]) / max(float(np.ptp(t_s)), 1e-9)
    eye = np.eye(len(t_s))

    def ornstein_uhlenbeck(length: float) -> Numbers:
        return np.where(same_life, np.exp(-lag / length), 0.0) if length else eye

    short = [ornstein_uhlenbeck(length) for length in SHORT_LENGTHS]
    long = [ornstein_uhlenbeck(length) for length in LONG_LENGTHS]
    long.append(np.mean(long, axis=0))
    members = [
        *short,
        *(
            (1 - share) * near + share * far
            for near in short
            for far in long
            for share in LONG_VARIANCE_SHARES
        ),
    ]
    lower = np.linalg.cholesky(np.stack(members) + 1e-9 * eye)
    return np.linalg.inv(lower), np.log(np.diagonal(lower, axis1=1, axis2=2))
