"""The prior log odds of what a candidate model may be made of beside levels and a rate."""

from __future__ import annotations

from typing import Final

import numpy as np

from analysis.judge.models.design_matrix import DesignMatrix

FIRST_LEVEL_SHIFT_LOG_ODDS: Final = -2.0
"""Prior log odds of a first level shift, before the choice of its place."""
FURTHER_LEVEL_SHIFT_LOG_ODDS: Final = -4.0
"""Prior log odds of each further level shift, before the choice of its place."""
SAME_LEVEL_SHIFT_LOG_ODDS: Final = -3.0
"""Prior log odds of another step of a level shift that took a while."""
SAME_LEVEL_SHIFT: Final = 0.03
"""Distance of two steps, in shares of the run, up to which they are one level shift that took a while."""
CHANGE_POINT_LOG_ODDS: Final = -1.5
"""Prior log odds of a slope change point, before the choice of its place."""
LOAD_LOG_ODDS: Final = -0.7
"""Prior log odds of following the load by one regressor, before the choice of the regressor."""
DERIVATIVE_LOG_ODDS: Final = -0.7
"""Prior log odds of a warm-up with a time constant between two of the grid."""
SLOW_WARM_UP_LOG_ODDS: Final = -1.5
"""Prior log odds of a warm-up that is still felt late in the run."""
SLOW_WARM_UP_TAU: Final = 0.15
"""Time constant above which a warm-up is slow, in shares of the longest life."""


def choice(count: int) -> float:
    """Return the log odds of one choice among ``count`` equal ones; of none it is that among one."""
    return -float(np.log(max(count, 1)))


def level_shift(design: DesignMatrix, earlier: int) -> float:
    """Return the prior log odds of one more level shift at one of all places, after ``earlier`` ones."""
    odds = FURTHER_LEVEL_SHIFT_LOG_ODDS if earlier else FIRST_LEVEL_SHIFT_LOG_ODDS
    return odds + choice(len(design.level_shifts))


def warm_up(tau: float, count: int) -> float:
    """Return the prior log odds of a warm-up with this time constant, one of ``count``."""
    return choice(count) + (SLOW_WARM_UP_LOG_ODDS if tau > SLOW_WARM_UP_TAU else 0.0)


def change_point(count: int) -> float:
    """Return the prior log odds of a slope change point at one of ``count`` places."""
    return CHANGE_POINT_LOG_ODDS + choice(count)


def load_way(count: int) -> float:
    """Return the prior log odds of following the load in one of ``count`` ways."""
    return LOAD_LOG_ODDS + choice(count)


def load_and_level_shifts(
    design: DesignMatrix, load_columns: tuple[int, ...], shifts: tuple[int, ...]
) -> float:
    """Return the prior log odds of following the load by these columns, and of these steps."""
    found = count_level_shifts(design, shifts)
    shifting = sum(level_shift(design, number) for number in range(found))
    same = SAME_LEVEL_SHIFT_LOG_ODDS * (len(shifts) - found)
    ways = len(set(load_columns) & set(design.load_regressors)) or int(bool(load_columns))
    return shifting + same + ways * load_way(len(design.load_sets))


def count_level_shifts(design: DesignMatrix, steps: tuple[int, ...]) -> int:
    """Return how many level shifts these steps make up; steps near each other are one."""
    at = np.sort(design.level_shift_at[list(steps)])
    return 0 if len(at) == 0 else 1 + int((np.diff(at) > SAME_LEVEL_SHIFT).sum())
