from __future__ import annotations

import numpy as np

from analysis.judge.models.burn_in import Beginning

SHARE = np.linspace(0, 0.4, 40)
ONE = np.ones(40)
FLOOR = 1e-6


def test_any_smooth_rise_is_explained_better_than_what_jumps_about() -> None:
    """A bent fill with little noise has far more evidence than the same values in another order."""
    rng = np.random.default_rng(1)
    fill = 1 - np.exp(-SHARE / 0.15) + rng.normal(0, 0.002, 40)
    beginning = Beginning(SHARE, ONE)
    assert beginning.log_evidence(fill, FLOOR) > beginning.log_evidence(rng.permutation(fill), FLOOR) + 50


def test_noise_beside_a_rise_costs_what_the_noise_is() -> None:
    """Ten times the noise lowers the evidence by about the log of ten for each point."""
    rng = np.random.default_rng(2)
    noise = rng.normal(0, 1, 40)
    beginning = Beginning(SHARE, ONE)
    little, much = (beginning.log_evidence(SHARE + size * noise, 0.0) for size in (0.001, 0.01))
    assert np.isclose(little - much, 40 * np.log(10), rtol=0.02)


def test_each_life_begins_with_a_line_of_its_own() -> None:
    """A level and a slope for each life cost the same, whatever they are; lives of two points as much as noise does."""
    life = np.repeat([1, 2, 3], [20, 18, 2])
    value = np.random.default_rng(3).normal(0, 0.01, 40)
    moved = value + np.where(life == 2, 5 + 3 * SHARE, -7.0 * SHARE)
    beginning = Beginning(SHARE, life)
    assert np.isclose(beginning.log_evidence(value, FLOOR), beginning.log_evidence(moved, FLOOR))
    two = Beginning(SHARE[:2], ONE[:2]).log_evidence(value[:2], FLOOR)
    assert np.isclose(two, -1 - np.log(2 * np.pi * FLOOR))


def test_leaving_out_mere_noise_gains_nothing() -> None:
    """Ten lives that begin with noise have no more evidence left out than as the noise they are."""
    life = np.repeat(np.arange(10.0), 4)
    noise = np.random.default_rng(4).normal(0, 1, 40)
    as_noise = -20 * (1 + np.log(2 * np.pi))
    assert Beginning(SHARE, life).log_evidence(noise, FLOOR) < as_noise + 5
