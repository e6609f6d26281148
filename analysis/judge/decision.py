"""The decision on a case: a tree of named checks, each of which ends in a reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.case import Case
from analysis.judge.models.fitting import BURN_IN_SHARES, ModelFit
from analysis.judge.models.posterior import RatePosterior
from analysis.judge.models.priors import SLOW_WARM_UP_TAU, count_level_shifts
from analysis.judge.models.saturation import saturation_log_odds
from analysis.judge.models.search import MAX_LEVEL_SHIFTS, WARM_UP_PRIOR_TAUS
from analysis.judge.types import ReasonCode

MIN_LOW_END_SHARE: Final = 0.4
"""Share of the margin that the lower end of a leak's interval exceeds; where a leak is seen only after a long burn-in,
also the share of that lower end which the one of the whole run exceeds. Set on the whole of `make calibrate`, after
0.1 and 0.2."""
MIN_LEAK_SHARE: Final = 0.5
"""Share of the margin that the rate of a leak exceeds; set on the whole of `make calibrate`."""
MAX_SATURATION_LOG_ODDS: Final = 0.0
"""Log odds of saturation against a leak up to which growth is called a leak; it decides the figure
"filling cache called a leak" and was set on the whole of `make calibrate` (-0.7 before)."""
MAX_SLOWING_SHARE: Final = 0.2
"""What a warm-up gains beside a leak late in the run, as a share of what leaks, above which the growth is one that
still slows down. Set on the tuning seeds of `make calibrate`: 3 of 163 leaks of three margins, and 2 of 5
heavy-tailed fills that were taken for leaks by parts of memory."""
LATE_SHIFT_FROM_SHARE: Final = 0.75
"""Share of the run after which a level shift may be the first of several; set on the whole of `make calibrate`."""
LATE_SHIFT_WEIGHT_SHARE: Final = 0.2
"""Share of the models' weight from which on a late level shift withholds a NO LEAK; set on the whole of
`make calibrate`."""
LATE_SHIFT_SIZE_SHARE: Final = 0.25
"""Size of a late level shift that matters, as a share of what the margin is over the run; set on the whole of
`make calibrate`."""
NEGLIGIBLE_WEIGHT_SHARE: Final = 0.01
"""Share of the best model's weight up to which a model is not searched for late level shifts; saves time only."""
FLAT_TAIL_SHARE: Final = 0.3
"""Last share of the run that has to be flat for a NO LEAK; set on the whole of `make calibrate`."""
ONE_STEP_SHARE: Final = 0.85
"""Share of a rise, from quarter to quarter, from which on one step of it is an event and not a leak that goes on; set
on the whole of `make calibrate`."""
WHOLE_RUN_BURN_IN_SHARE: Final = 0.45
"""Burn-in up to which what is left is the whole run, as a share of the longest life; set on the whole of
`make calibrate`."""
SECOND_FALL_SHARE: Final = 0.25
"""Share of the greatest fall below which another fall is none; set so that what falls once or hardly hides no leak of
three margins (a unit test), not on a figure of the calibration."""
FALLEN_BACK_SHARE: Final = 0.5
"""Share of the rise from which on the falls beside it make it a sawtooth; set on the whole of `make calibrate`."""
MANY_LIVES: Final = 12
"""Number of lives from which on each has eight points at most, so that its warm-up's shape is not well known; set
on a unit test of a crash loop."""
MIN_WITHIN_LIFE_SHARE: Final = 0.5
"""Share of the longest life's growth below which, among many lives, the leak may be the rest of a warm-up; set on a
unit test of a crash loop of thirty lives, as the calibration has no dozen restarts."""
MAX_LEFT_OUT_SHARE: Final = 0.2
"""Share of the readings that may be of lives too short to be judged: what leaked in more is not known."""
MIN_POINTS_FOR_QUARTERS: Final = 8
"""Points from which on a rise is compared by its quarters; of fewer, at least half of the moves must be upwards.
Set on the whole of `make calibrate`."""

QUARTER_DAY_S: Final = 6 * 3600.0
"""Seconds from which on a change that follows the load of a day is uneven; in less its curve is nearly straight."""
TWO_DAYS_S: Final = 48 * 3600.0
"""Length of a life, seconds, from which on a day's load is told from a leak: it has come and gone twice."""
MIN_STEADY_SHARE: Final = 0.3
"""Share of the models' weight that steady ones must have for a change under an unknown load to be none of a day's. Set
on simulated days: where half a day or more of them had been called, steady models had 0.11 or less; beside a level load
they had 0.7 or more."""


def decide(case: Case) -> ReasonCode:
    """Return the reason of the verdict; the verdict is that of the reason."""
    if case.rate.high < case.margin_per_s:
        return next((code for code, holds in DOUBTS_OF_NO_LEAK if holds(case)), ReasonCode.BOUNDED)
    if not _is_relevant(case):
        return ReasonCode.WIDE_INTERVAL
    return next((code for code, holds in DOUBTS_OF_LEAK if holds(case)), ReasonCode.LEAKING)


def grows(case: Case) -> bool:
    """Return whether memory grows throughout by an amount that matters, whatever else may explain that."""
    if case.rate.high < case.margin_per_s or not _is_relevant(case):
        return False
    return not (_rises_in_one_step(case) or _falls_back(case) or rises_late_only(case))


def _is_relevant(case: Case) -> bool:
    """Return whether the rate is clearly above zero and large enough to matter."""
    margin_per_s, rate = case.margin_per_s, case.rate
    return rate.low > MIN_LOW_END_SHARE * margin_per_s and rate.value > MIN_LEAK_SHARE * margin_per_s


def saturates(case: Case) -> bool:
    """Return whether saturation explains the points as well as a leak does, or a warm-up beside it is not over."""
    return _slows_down(case) or saturation_log_odds(case.fitter, case.fits) > MAX_SATURATION_LOG_ODDS


def _slows_down(case: Case) -> bool:
    """Return whether the best model's growth beside its trend is not over in the last part of its last settled life."""
    last = _last_settled_life(case)
    tail_s = min(FLAT_TAIL_SHARE * case.points.span_s, float(np.ptp(case.points.t_s[last])) / 2)
    first = last[np.searchsorted(case.points.t_s[last], case.points.t_s[last[-1]] - tail_s)]
    leaked = _gain(case, first, last[-1], case.best.model.trend)
    return _gain(case, first, last[-1], _lasting(case)) - leaked > MAX_SLOWING_SHARE * abs(leaked)


def _may_follow_the_day(case: Case) -> bool:
    """Return whether memory changes unevenly under a load that is not known, and no life sees a day come and go twice.

    A rise in the morning is then no leak, and a fall in the evening may hide one; so may those of every day's deploy,
    in each life alike. A steady change is a straight line, with level shifts and an early warm-up, or beside several
    cycles of a load within one life.
    """
    if np.isfinite(case.points.requests).all() or case.points.span_s < QUARTER_DAY_S:
        return False
    lives = _lives(case)
    if max(float(np.ptp(case.points.t_s[places])) for places in lives) >= TWO_DAYS_S:
        return False
    design = case.design
    slow = {
        column
        for tau, columns in zip(WARM_UP_PRIOR_TAUS, design.warm_ups, strict=True)
        if tau > SLOW_WARM_UP_TAU
        for column in columns
    }
    uneven = slow if len(lives) == 1 else slow | design.load
    steady = np.array(
        [
            not fit.model.change_points
            and not uneven.intersection(fit.model.columns)
            and BURN_IN_SHARES[fit.model.burn_in] <= WHOLE_RUN_BURN_IN_SHARE
            for fit in case.fits
        ]
    )
    weight = case.weights
    return float(weight[steady].sum()) < MIN_STEADY_SHARE * float(weight.sum())


def rises_late_only(case: Case, added_per_s: float = 0.0) -> bool:
    """Return whether a leak that is seen after a long burn-in is none of the whole run: the last rise of a wave.

    ``added_per_s`` is a leak that every model is given.
    """
    if BURN_IN_SHARES[case.best.model.burn_in] <= WHOLE_RUN_BURN_IN_SHARE:
        return False
    whole = (
        fit
        for fit in case.fits
        if not fit.model.change_points and BURN_IN_SHARES[fit.model.burn_in] <= WHOLE_RUN_BURN_IN_SHARE
    )
    low = RatePosterior.average(whole).quantile(case.alpha) * case.unit_per_s
    return low + added_per_s <= max(0.0, MIN_LOW_END_SHARE * (case.rate.low + added_per_s))


def _falls(case: Case) -> bool:
    """Return whether memory falls by more than a margin: for hours no process does, and a leak could be beneath it."""
    return case.rate.high < -case.margin_per_s


def _tail_rises(case: Case) -> bool:
    """Return whether the best model, its warm-up included, rises by a margin over the last part of the run.

    A tail that is not flat yet is not passed because a model predicts that it will be. Nor is a sawtooth that goes on
    rising behind its last minimum, where no point is.
    """
    if case.points.rise_at_end > _size_that_matters(case):
        return True
    last = _last_settled_life(case)
    t_s = case.points.t_s[last]
    first = int(np.searchsorted(t_s, t_s[-1] - FLAT_TAIL_SHARE * case.points.span_s))
    gained = _gain(case, last[first], last[-1], _lasting(case)) * case.unit_per_s * case.points.span_s
    return gained / max(float(t_s[-1] - t_s[first]), 1e-9) >= case.margin_per_s


def _lasting(case: Case) -> tuple[int, ...]:
    """Return the columns of the best model that are neither events nor the load."""
    design = case.design
    events = design.load.union(design.intercepts, design.level_shifts)
    return tuple(column for column in case.best.model.columns if column not in events)


def _gain(case: Case, first: np.intp, last: np.intp, columns: tuple[int, ...]) -> float:
    """Return what these columns of the best model gain from one point to another, in the fitter's unit."""
    beta = case.fitter.coefficients(case.best)
    places = [case.best.model.columns.index(column) for column in columns]
    return float((case.design.values[last] - case.design.values[first])[list(columns)] @ beta[places])


def _last_settled_life(case: Case) -> npt.NDArray[np.intp]:
    """Return the places of the last life as long as the part that has to be flat; else of the last of the longest.

    A process that was started a moment ago is warming up again.
    """
    lives = _lives(case)
    lengths_s = [float(np.ptp(case.points.t_s[places])) for places in lives]
    enough_s = min(FLAT_TAIL_SHARE * case.points.span_s, max(lengths_s))
    settled = [places for places, length_s in zip(lives, lengths_s, strict=True) if length_s >= enough_s]
    return max(settled, key=lambda places: float(case.points.t_s[places[-1]]))


def _lives(case: Case) -> list[npt.NDArray[np.intp]]:
    return [np.flatnonzero(case.points.life == life) for life in np.unique(case.points.life)]


def _shifts_late(case: Case) -> bool:
    """Return whether models with a late level shift upwards that matters have enough of the weight.

    What was taken out of the last points as a spike may be such a shift, too.
    """
    if case.points.cut_off > _size_that_matters(case):
        return True
    weight = case.weights
    late = np.array(
        [
            weight[k] > NEGLIGIBLE_WEIGHT_SHARE and _late_shift_matters(case, fit)
            for k, fit in enumerate(case.fits)
        ]
    )
    return float(weight[late].sum() / weight.sum()) > LATE_SHIFT_WEIGHT_SHARE


def _late_shift_matters(case: Case, fit: ModelFit) -> bool:
    late = [at for at in fit.model.level_shifts if case.design.level_shift_at[at] > LATE_SHIFT_FROM_SHARE]
    if not late:
        return False
    sizes = _shift_sizes(case, fit)
    return sum(sizes[at] for at in late) > _size_that_matters(case) / (case.unit_per_s * case.points.span_s)


def _size_that_matters(case: Case) -> float:
    """Return the size of a late level shift that matters, in the signal's unit."""
    return LATE_SHIFT_SIZE_SHARE * case.margin_per_s * case.points.span_s


def _shift_sizes(case: Case, fit: ModelFit) -> dict[int, float]:
    """Return the size of each level shift of a model, in the fitter's unit."""
    beta, columns = case.fitter.coefficients(fit), fit.model.columns
    return {at: float(beta[columns.index(case.design.level_shifts[at])]) for at in fit.model.level_shifts}


def _gauge_grows(case: Case) -> bool:
    """Return whether a gauge of what the target keeps still grows, which may explain the memory."""
    return case.bounded is False


def _rises_in_one_step(case: Case) -> bool:
    """Return whether the steady part does not rise over its quarters, or nearly all of the rise is one step."""
    model = case.best.model
    other = tuple(column for column in model.columns if column not in model.trend)
    t_s, rest = case.fitter.residual_after(case.best, other)
    order = np.argsort(t_s, kind="stable")
    t_s, rest = t_s[order], rest[order]
    steady = t_s >= case.points.t_s.min() + case.last_change_point() * case.points.span_s
    if steady.sum() < MIN_POINTS_FOR_QUARTERS:
        return bool((np.diff(rest[-MIN_POINTS_FOR_QUARTERS:]) > 0).mean() < 0.5)
    levels = np.array([np.median(part) for part in np.array_split(rest[steady], 4)])
    rises = np.diff(levels)
    upwards = rises.clip(0).sum()
    return bool((rises > 0).sum() < 2 or rises.max() >= ONE_STEP_SHARE * upwards or levels[-1] <= levels[0])


def _falls_back(case: Case) -> bool:
    """Return whether level shifts take back half of the rise or more, and not just once.

    Such is a sawtooth of too few cycles for its lower envelope. After a burn-in one fall is enough: it may hide others.
    A fall before the leak begins is not counted, nor is a small one beside one that is great.
    """
    model = case.best.model
    begins = max(BURN_IN_SHARES[model.burn_in], case.last_change_point())
    sizes = {
        at: size
        for at, size in _shift_sizes(case, case.best).items()
        if case.design.level_shift_at[at] > begins
    }
    falls = tuple(at for at, size in sizes.items() if size < SECOND_FALL_SHARE * min(sizes.values()) < 0)
    if count_level_shifts(case.design, falls) < (1 if model.burn_in else MAX_LEVEL_SHIFTS):
        return False
    rise = case.rate.value / case.unit_per_s * (1 - begins)
    return -sum(sizes.values()) > rise * FALLEN_BACK_SHARE


def _bends_with_load(case: Case) -> bool:
    """Return whether a leak beside a varying load needs a slope change point.

    Where the load comes and goes but a few times, a change point takes up what the load regressors leave over.
    """
    model = case.best.model
    if not model.change_points or not case.design.load.intersection(model.columns):
        return False
    straight = RatePosterior.average(fit for fit in case.fits if not fit.model.change_points)
    return straight.quantile(case.alpha) <= 0


def _warms_up_again_and_again(case: Case) -> bool:
    """Return whether the lives are many, and the longest gains more beside the leak than by it.

    What the warm-up's shape leaves over is then the same in every life, and looks like a leak.
    """
    if len(case.design.intercepts) < MANY_LIVES:
        return False
    ends = max(_lives(case), key=lambda places: float(np.ptp(case.points.t_s[places])))[[0, -1]]
    leaked = case.rate.value * float(np.ptp(case.points.t_s[ends]))
    return leaked < MIN_WITHIN_LIFE_SHARE * float(np.diff(case.points.value[ends])[0])


def _is_of_short_lives(case: Case) -> bool:
    """Return whether too many of the readings are in no point: each life has a level of its own, which hides a leak."""
    return case.points.left_out > MAX_LEFT_OUT_SHARE


Doubts = tuple[tuple[ReasonCode, Callable[[Case], bool]], ...]

DOUBTS_OF_NO_LEAK: Final[Doubts] = (
    (ReasonCode.FALLING, _falls),
    (ReasonCode.RISING_TAIL, _tail_rises),
    (ReasonCode.LATE_LEVEL_SHIFT, _shifts_late),
    (ReasonCode.SHORT_LIVES, _is_of_short_lives),
    (ReasonCode.UNKNOWN_LOAD, _may_follow_the_day),
)
"""What makes a rate below the margin inconclusive; the first that holds is the reason."""
DOUBTS_OF_LEAK: Final[Doubts] = (
    (ReasonCode.GROWING_GAUGE, _gauge_grows),
    (ReasonCode.ONE_STEP, _rises_in_one_step),
    (ReasonCode.FALLS_BACK, _falls_back),
    (ReasonCode.VARYING_LOAD, _bends_with_load),
    (ReasonCode.LATE_RISE, rises_late_only),
    (ReasonCode.MANY_RESTARTS, _warms_up_again_and_again),
    (ReasonCode.UNKNOWN_LOAD, _may_follow_the_day),
    (ReasonCode.SATURATION, saturates),
)
"""What makes a relevant rate inconclusive; the first that holds is the reason. The slowest check comes last."""
