"""A value that repeats to the end is told from memory that is coarse, idle now and then, or flat for a while."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.judge.frozen import MIN_SAMPLES, frozen_since
from analysis.judge.types import Numbers

COUNT = 2000
T_S: Numbers = 1e9 + 60.0 * np.arange(COUNT, dtype=np.float64)
CHANCE = np.random.default_rng(8)
NOISE: Numbers = 4096.0 * CHANCE.integers(0, 9, COUNT).astype(np.float64)
LEAK: Numbers = 1e8 + NOISE + 80_000.0 * np.arange(COUNT, dtype=np.float64)


def frozen(values: Numbers, at: int) -> Numbers:
    return np.where(np.arange(COUNT) > at, values[at], values)


@pytest.mark.parametrize("at", [0, 30, 700, 1700])
@pytest.mark.parametrize("values", [LEAK, 1e8 + NOISE])
def test_a_value_that_repeats_to_the_end_is_frozen_from_its_first_reading(values: Numbers, at: int) -> None:
    """A collector that stopped, whether the process leaked or not."""
    since_s = frozen_since(T_S, frozen(values, at))
    assert since_s is not None
    assert 0 <= T_S[at] - since_s < 300, "the readings before it may be equal by chance"


def test_a_constant_value_is_frozen_from_its_start() -> None:
    assert frozen_since(T_S, np.full(COUNT, 1e8)) == T_S[0]
    few = MIN_SAMPLES - 1
    assert frozen_since(T_S[:few], np.full(few, 1e8)) is None
    assert frozen_since(T_S[: few + 1], np.full(few + 1, 1e8)) == T_S[0]


IDLE = np.where(np.arange(COUNT) % 300 < 3, NOISE, 0)


@pytest.mark.parametrize(
    "values",
    [
        LEAK,
        NOISE,
        frozen(NOISE, 1850),  # a tenth of the time and less
        np.ceil(LEAK / 2**20),  # whole MiB
        IDLE,  # a process that works now and then has stretches as long before
        frozen(IDLE, 1600),
        np.where((np.arange(COUNT) > 400) & (np.arange(COUNT) < 1000), 1e8, NOISE),  # and goes on
        np.full(COUNT, np.nan),
        NOISE[:0],
    ],
)
def test_memory_that_is_measured_is_not_frozen(values: Numbers) -> None:
    assert frozen_since(T_S[: len(values)], values) is None


def test_what_was_not_read_is_no_change() -> None:
    holes = np.where(CHANCE.random(COUNT) < 0.2, np.nan, frozen(LEAK, 700))
    since = frozen_since(T_S, holes)
    assert since is not None
    assert 0 <= since - T_S[700] < 600
