"""How many requests come, and when."""

from __future__ import annotations

import numpy as np

from analysis.judge.types import Numbers
from tests.calibration.simulator.noise import Chance, ar1, log_uniform


def served(
    draw: Chance, chance: Chance, t_s: Numbers, tick_s: float, *, diurnal: bool, days: float | None = None
) -> tuple[Numbers, float]:
    """Return the requests answered since the start, and the period of day and night in seconds (0: there is none).

    Steady for most services; some rise and fall in steps, some by day and night of any length from 20 minutes on.
    ``days`` sets how many of them the run has.
    """
    mean_rps, shape = log_uniform(draw, 2, 500), draw.uniform()
    period_s, phase = log_uniform(draw, 1200, 24 * 3600), draw.uniform(0, 2 * np.pi)
    if days is not None:
        period_s = float(t_s[-1]) / days
    swing, jitter = draw.uniform(0.2, 0.9), draw.uniform(0, 0.15)
    stairs, idle_s = draw.uniform(0.4, 1.6, 6), draw.uniform(0, 90)
    rate = 1 + jitter * ar1(chance, len(t_s), tick_s=tick_s, memory_s=60)
    if diurnal or shape < 0.2:
        rate = rate * (1 + swing * np.sin(2 * np.pi * t_s / period_s + phase))
    elif shape < 0.35:
        rate = (
            rate * stairs[np.minimum((t_s / (t_s[-1] + tick_s) * len(stairs)).astype(int), len(stairs) - 1)]
        )
    rate = np.where(t_s < idle_s, 0.0, np.clip(rate, 0.0, None))
    total = np.concatenate([[0.0], np.cumsum(rate[:-1])]) * tick_s * mean_rps
    return total, period_s if diurnal or shape < 0.2 else 0.0
