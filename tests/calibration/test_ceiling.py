"""The most that could be told on arenas."""

from __future__ import annotations

import numpy as np
import pytest

from tests.calibration.ceiling import POINTS, arenas_ceiling, rate_error
from tests.calibration.simulator.lives import MARGIN
from tests.calibration.simulator.parts import Life, arena_steps, draw_arenas

RUN_S = 14_400.0
FROM_ITS_LEVEL = 3
"""A seed of arenas that are there from the beginning."""


def test_the_error_is_that_of_simulated_arenas() -> None:
    """Rates fitted to 400 recordings of one service without a leak spread by what was foretold."""
    size, mean_count, held_s = draw_arenas(np.random.default_rng(FROM_ITS_LEVEL))
    t_s = np.linspace(0.0, RUN_S, POINTS)
    covariance = size**2 * mean_count * np.exp(-np.abs(t_s[:, None] - t_s) / held_s)
    line = np.column_stack([np.ones(POINTS), t_s])
    onto = np.linalg.solve(covariance, line)
    fit = np.linalg.solve(line.T @ onto, onto.T)
    rates = []
    for seed in range(400):
        life = Life(
            t_s,
            t_s,
            0.0,
            RUN_S,
            RUN_S / POINTS,
            1.0,
            MARGIN,
            np.random.default_rng(FROM_ITS_LEVEL),
            np.random.default_rng(seed),
        )
        part = arena_steps(life)
        assert part.settled_s == 0.0
        rates.append((fit @ part.values)[1])
    assert np.std(rates) == pytest.approx(rate_error(size, mean_count, held_s, RUN_S), rel=0.12)


def test_longer_runs_tell_more() -> None:
    """What is found and what is cleared grow with the run, and a leak of no size is hardly ever found."""
    short, long = (
        arenas_ceiling(np.random.default_rng(0), (3.0,), hours=hours, services=20) for hours in (4, 24)
    )
    assert short.recall < long.recall
    assert short.cleared < long.cleared
    assert arenas_ceiling(np.random.default_rng(0), (0.0,), services=20).recall < 0.025
