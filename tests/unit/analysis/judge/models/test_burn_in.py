from __future__ import annotations

import numpy as np

from analysis.judge.models.burn_in import BurnIn

SHARE = np.linspace(0, 0.4, 40)
ONE = np.ones(40)
LEAST_VARIANCE = 1e-6


def test_any_smooth_rise_is_explained_better_than_what_jumps_about() -> None:
    """A bent fill with little noise has far more evidence than the same values in another order."""
    rng = np.random.default_rng(1)
    fill = 1 - np.exp(-SHARE / 0.15) + rng.normal(0, 0.002, 40)
    burn_in = BurnIn(SHARE, ONE)
    assert (
        burn_in.log_evidence(fill, LEAST_VARIANCE)
        > burn_in.log_evidence(rng.permutation(fill), LEAST_VARIANCE) + 50
    )


def test_noise_beside_a_rise_costs_what_the_noise_is() -> None:
    """Ten times the noise lowers the evidence by about the log of ten for each point."""
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, 40)
    burn_in = BurnIn(SHARE, ONE)
    little, much = (burn_in.log_evidence(SHARE + size * noise, 0.0) for size in (0.001, 0.01))
    assert np.isclose(little - much, 40 * np.log(10), rtol=0.02)


def test_each_life_begins_with_a_line_of_its_own() -> None:
    """A level and a slope for each life cost the same, whatever they are; lives of two points as much as noise does."""
    life = np.repeat([1, 2, 3], [20, 18, 2])
    value = np.random.default_rng(3).normal(0, 0.01, 40)
    moved = value + np.where(life == 2, 5 + 3 * SHARE, -7.0 * SHARE)
    burn_in = BurnIn(SHARE, life)
    assert np.isclose(
        burn_in.log_evidence(value, LEAST_VARIANCE), burn_in.log_evidence(moved, LEAST_VARIANCE)
    )
    two = BurnIn(SHARE[:2], ONE[:2]).log_evidence(value[:2], LEAST_VARIANCE)
    assert np.isclose(two, -1 - np.log(2 * np.pi * LEAST_VARIANCE))


def test_leaving_out_mere_noise_gains_nothing() -> None:
    """Ten lives that begin with noise have no more evidence left out than as the noise they are."""
    life = np.repeat(np.arange(10.0), 4)
    noise = np.random.default_rng(4).normal(0, 1, 40)
    as_noise = -20 * (1 + np.log(2 * np.pi))
    assert BurnIn(SHARE, life).log_evidence(noise, LEAST_VARIANCE) < as_noise + 5
