"""The most that any method could tell on arenas, the noisiest kind, to hold the judge against."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from analysis.judge.case import BOUND_ERROR
from analysis.judge.decision import MIN_LOW_END_SHARE
from analysis.judge.types import Numbers
from tests.calibration.simulator.lives import MARGIN
from tests.calibration.simulator.noise import Chance
from tests.calibration.simulator.parts import draw_arenas

POINTS: Final = 120
BELOW: Final = 0.025
"""Chance that a leak lies below the lower end of its interval."""


class Ceiling(NamedTuple):
    """Shares of recordings with arenas that an estimator gets right which is told all but the rate."""

    recall: float
    cleared: float


def arenas_ceiling(
    draw: Chance, multiples: tuple[float, ...], *, hours: float = 4.0, services: int = 400
) -> Ceiling:
    """Return what generalised least squares of a level and a rate finds that knows the covariance of the arenas.

    It is the best linear unbiased estimator (Aitken 1935). Arenas that come at random and stay for a random time number
    as the customers of a queue with endless servers, whose covariance is mean * exp(-lag / held). ``multiples`` are the
    leaks, in margins. No other noise, no warm-up, and nothing to be chosen: no method can do better for long.
    """
    errors = np.array([rate_error(*draw_arenas(draw), hours * 3600) for _ in range(services)]) / MARGIN
    called = [ndtr((multiple - MIN_LOW_END_SHARE) / errors + ndtri(BELOW)).mean() for multiple in multiples]
    return Ceiling(float(np.mean(called)), float(ndtr(1 / errors + ndtri(BOUND_ERROR)).mean()))


def rate_error(size: float, mean_count: float, held_s: float, run_s: float) -> float:
    """Return the standard error of the rate, bytes per second."""
    t_s: Numbers = np.linspace(0.0, run_s, POINTS)
    covariance = size**2 * mean_count * np.exp(-np.abs(t_s[:, None] - t_s) / held_s)
    line = np.column_stack([np.ones(POINTS), t_s / run_s])
    inner = line.T @ np.linalg.solve(covariance, line)
    return float(np.sqrt(np.linalg.inv(inner)[1, 1])) / run_s
