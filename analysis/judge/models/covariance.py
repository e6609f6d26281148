"""What the noise of memory readings may look like, as a fixed family of correlations."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.types import Numbers

FAST: Final = (0.0, 0.01)
"""Correlation lengths of the fast part of the noise, in shares of the run; 0 is independent from point to point."""
SLOW: Final = (0.03, 0.1, 0.3, 1.0)
"""The same of the slow part; at the longest it is as good as a random walk."""
SHARES: Final = (0.12, 0.45, 0.9)
"""Shares of the variance that are slow."""


def family(t_s: Numbers, life: Numbers) -> tuple[Numbers, Numbers]:
    """Return the inverse Cholesky factors of every correlation of the family, and the logs of their diagonals.

    Shapes (m, n, n) and (m, n) for n points. The first is independent noise. Each of the others is a fast part and a
    slow one, both Ornstein-Uhlenbeck processes (the AR(1) of irregular times); a slow part of all lengths at once is
    close to 1/f noise. Lives are independent of each other.
    """
    same = life[:, None] == life[None, :]
    apart = np.abs(t_s[:, None] - t_s[None, :]) / max(float(np.ptp(t_s)), 1e-9)
    eye = np.eye(len(t_s))

    def process(length: float) -> Numbers:
        return np.where(same, np.exp(-apart / length), 0.0) if length else eye

    fast, slow = [process(length) for length in FAST], [process(length) for length in SLOW]
    slow.append(np.mean(slow, axis=0))
    members = [
        *fast,
        *((1 - share) * quick + share * part for quick in fast for part in slow for share in SHARES),
    ]
    lower = np.linalg.cholesky(np.stack(members) + 1e-9 * eye)
    return np.linalg.inv(lower), np.log(np.diagonal(lower, axis1=1, axis2=2))
