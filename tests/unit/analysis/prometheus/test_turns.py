"""Several processes behind one address are told by their memory from one that is noisy, or has two levels."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.judge.types import Numbers
from analysis.prometheus.turns import MIN_SAMPLES, takes_turns

MIB = float(1 << 20)
COUNT = 24 * 60
HOURS = np.arange(COUNT) / 10.0
CHANCE = np.random.default_rng(4)
NOISE = np.abs(CHANCE.normal(0, 2, COUNT))


def turns(mib: Numbers, life: Numbers | None = None) -> bool:
    """In whole pages, as memory is."""
    return takes_turns(np.round(mib * 256) / 256 * MIB, np.zeros(len(mib)) if life is None else life)


@pytest.mark.parametrize("leak", [1.0, 5.0])
@pytest.mark.parametrize("share", [0.1, 0.25, 0.5, 0.8])
def test_a_worker_that_leaks_beside_others_is_several_processes(leak: float, share: float) -> None:
    """Whichever of them answers, at random or one after the other, on the level of the others or above it."""
    mine = CHANCE.random(COUNT) < share
    assert turns(200 + NOISE + np.where(mine, leak * HOURS, 0))
    assert turns(200 + NOISE + np.where(mine, 30 + leak * HOURS, 0))
    in_turn = np.arange(COUNT) % round(1 / share) == 0
    assert turns(200 + NOISE + np.where(in_turn, 30 + leak * HOURS, 0)) is (share < 0.8)


def test_workers_with_levels_of_their_own_are_several_processes() -> None:
    worker = CHANCE.integers(0, 8, COUNT)
    assert turns(200 + 5.0 * worker + NOISE / 4 + np.where(worker == 3, 3 * HOURS, 0))


def _sawtooth(period: float) -> Numbers:
    return np.asarray(20 * ((np.arange(COUNT) / period + np.cumsum(CHANCE.normal(0, 0.03, COUNT))) % 1))


SPIKES = CHANCE.random(COUNT) < 0.2
ONE_PROCESS = {
    "flat": NOISE * 0,
    "noise": CHANCE.normal(0, 10, COUNT),
    "noise with peaks": CHANCE.lognormal(1, 1, COUNT),
    "whole MiB": np.ceil(CHANCE.normal(0, 0.3, COUNT)),
    "a random walk": np.cumsum(CHANCE.normal(0, 0.5, COUNT)),
    "a leak": 5 * HOURS + NOISE,
    "a leak in whole MiB": np.ceil(5 * HOURS + NOISE),
    "a collector whose waves grow with its heap": (200 + 5 * HOURS) * CHANCE.random(COUNT),
    "peaks": SPIKES * CHANCE.exponential(50, COUNT) + NOISE,
    "peaks that grow": SPIKES * CHANCE.random(COUNT) * HOURS + NOISE,
    "a job each fifth scrape": 50.0 * (np.arange(COUNT) % 5 == 0) + NOISE,
    "a job that grows": np.where(SPIKES, 50 + 2 * HOURS / HOURS[-1], 0) + NOISE,
    "a regular job that grows": np.where(np.arange(COUNT) % 3 == 0, 50 + 2 * HOURS / HOURS[-1], 0) + NOISE,
    "two workers that are flat": np.where(CHANCE.random(COUNT) < 0.5, 0, 60) + NOISE,
    "a day": 60 * np.sin(HOURS / 24 * 2 * np.pi) + NOISE,
    **{f"a sawtooth of {period} scrapes": _sawtooth(period) + NOISE for period in (1.7, 3, 5, 7.1, 15, 60)},
}


@pytest.mark.parametrize("name", ONE_PROCESS)
def test_one_process_does_not_take_turns(name: str) -> None:
    """Nor do two whose levels stay: neither leaks."""
    assert not turns(300 + ONE_PROCESS[name])


def test_levels_are_those_of_one_life() -> None:
    """A restart, a gap and a life too short to tell are no turns."""
    life = np.floor(np.arange(COUNT) / (MIN_SAMPLES - 1))
    value = 200 + np.where(CHANCE.random(COUNT) < 0.5, 5 * HOURS, 0)
    assert turns(value)
    assert not turns(value, life)
    holes = np.where(CHANCE.random(COUNT) < 0.3, np.nan, value)
    assert turns(holes)
    assert not turns(holes[:0])
