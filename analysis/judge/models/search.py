"""Greedy model search: start models, refined by level shifts, change points, load and derivatives, one at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.models import priors
from analysis.judge.models.design_matrix import CHANGE_POINTS, WARM_UP_LOG_SCALES, WARM_UP_TAUS, DesignMatrix
from analysis.judge.models.fitting import (
    BURN_IN_SHARES,
    MAX_LOG_WEIGHT_GAP,
    CandidateModel,
    ModelFit,
    ModelFitter,
)
from analysis.judge.types import Numbers

MAX_BURN_INS: Final = 2
"""Burn-in lengths beside none at all whose models are refined: those of the greatest weight."""
MAX_ADDITIONS: Final = 4
"""Additions to a start model."""
MAX_LEVEL_SHIFTS: Final = 2
"""Level shifts that are taken for single events; more of them are what leaks, or what the noise is made of."""
MAX_CHANGE_POINTS: Final = 2
"""Slope change points of one model."""
MIN_CHANGE_POINT_DISTANCE: Final = 0.1
"""Share of the run above which two change points are the end of one thing and the beginning of another, not a wave."""
MIN_AFTER_BURN_IN: Final = 0.05
"""Share of the run that must lie between the burn-in and a change point."""
SPARE_POINTS: Final = 3
"""Points that must be left when every column has taken one."""
MAX_MODEL_GAP: Final = 7.0
"""Log weight below the best model of the same burn-in from which on a model is not refined."""
LOG_DRIFT_TAU: Final = 1.0
"""Time constant that a logarithmic drift counts as, in shares of the longest life: it is always slow."""
WARM_UP_PRIOR_TAUS: Final = (*WARM_UP_TAUS, *(LOG_DRIFT_TAU for _ in WARM_UP_LOG_SCALES))
"""By warm-up of the design matrix: the time constant that it counts as."""


@dataclass(frozen=True, slots=True)
class Addition:
    """One column that may refine a model, and its price."""

    column: int
    log_odds: float
    level_shift: int | None = None
    """Its number among the level shifts of the design matrix, if it is one."""
    change_point: int | None = None
    """Its number among the change points of the model's clock, if it is one."""

    def apply(self, model: CandidateModel) -> CandidateModel:
        """Return the model with the column."""
        refined = model.with_columns((self.column,), self.log_odds)
        if self.level_shift is not None:
            return replace(refined, level_shifts=(*model.level_shifts, self.level_shift))
        if self.change_point is not None:
            numbers = (*model.change_points, self.change_point)
            return replace(refined, trend=(*model.trend, self.column), change_points=numbers)
        return refined


def search_models(fitter: ModelFitter) -> tuple[ModelFitter, tuple[ModelFit, ...]]:
    """Return the fitted models that have a leak rate, and the fitter with the likely covariances, which fitted them."""
    design, burn_ins = fitter.design, fitter.usable_burn_ins
    rough = _fit_all(
        fitter,
        (
            model
            for burn_in in burn_ins
            for model in _start_models(design, burn_in, [()], clocks=1, few=burn_in > 0)
        ),
    )
    likely = _likely_covariances(fitter, rough)
    best = _best_by_burn_in(rough)
    weights = sorted(burn_ins, key=lambda burn_in: -best.get(burn_in, -np.inf))
    load_sets = [(), *_best_load(likely, rough)]
    starts = _fit_all(
        likely,
        (
            model
            for burn_in in {0, *weights[:MAX_BURN_INS]}
            for model in _start_models(design, burn_in, load_sets, clocks=len(design.clocks), few=False)
        ),
    )
    fits = _refine_all(likely, starts, MAX_LEVEL_SHIFTS)
    if _needs_more_level_shifts(likely, max(fits, key=lambda fit: fit.log_weight)):
        fits = _refine_all(likely, starts, 0)
    return likely, tuple(_distinct(fits))


def _needs_more_level_shifts(fitter: ModelFitter, best: ModelFit) -> bool:
    """Return whether a further level shift improves the best model, which has as many as may be single events."""
    if priors.count_level_shifts(fitter.design, best.model.level_shifts) != MAX_LEVEL_SHIFTS:
        return False
    further = _refine(fitter, best, MAX_LEVEL_SHIFTS + 1, change_points=0)
    return (
        further is not None
        and priors.count_level_shifts(fitter.design, further.level_shifts) > MAX_LEVEL_SHIFTS
        and fitter.fit(further).log_weight > best.log_weight
    )


def _likely_covariances(fitter: ModelFitter, rough: list[ModelFit]) -> ModelFitter:
    """Return the fitter with the covariances that are likely under the best models and their first refinements."""
    everywhere = max(rough, key=lambda fit: fit.log_weight)
    whole = max((fit for fit in rough if fit.model.burn_in == 0), key=lambda fit: fit.log_weight)
    kept = np.zeros(len(everywhere.log_weights), dtype=bool)
    for first in (everywhere, whole):
        best = first
        while True:
            kept |= best.log_weights > best.log_weights.max() - MAX_LOG_WEIGHT_GAP
            if len(best.model.columns) >= len(first.model.columns) + 3:
                break
            model = _refine(fitter, best, MAX_LEVEL_SHIFTS)
            if model is None:
                break
            refined = fitter.fit(model)
            if refined.log_weight < best.log_weight - MAX_MODEL_GAP:
                break
            best = refined
    return fitter.with_covariances(kept)


def _best_load(fitter: ModelFitter, rough: list[ModelFit]) -> list[tuple[int, ...]]:
    """Return the load that explains most beside one of the two best start models, as a list of one; or none."""
    models = [fit.model for fit in sorted(rough, key=lambda fit: -fit.log_weight)[:2]]
    tried = [
        (fit.log_weight, load)
        for load in fitter.design.load_sets
        for fit in _fit_all(fitter, (model.with_columns(load) for model in models))
    ]
    return [max(tried)[1]] if tried else []


def _fit_all(fitter: ModelFitter, models: Iterable[CandidateModel]) -> list[ModelFit]:
    return fitter.fit_all([model for model in models if fitter.has_room(model, SPARE_POINTS)])


def _start_models(
    design: DesignMatrix, burn_in: int, load_sets: list[tuple[int, ...]], *, clocks: int, few: bool
) -> Iterator[CandidateModel]:
    """Yield the start models after a burn-in: a rate alone, with a warm-up, with a change point; ``few`` or all."""
    length = BURN_IN_SHARES[burn_in]
    for clock, trend in enumerate(design.clocks[:clocks]):
        for load in load_sets:
            log_odds = priors.load_way(len(design.load_sets)) if load else 0.0
            plain = CandidateModel((*design.intercepts, trend, *load), (trend,), log_odds, burn_in)
            yield plain
            for number, (tau, warm_up) in enumerate(zip(WARM_UP_PRIOR_TAUS, design.warm_ups, strict=True)):
                if tau > length / 2 and (not few or number % 3 == 1):
                    yield plain.with_columns(warm_up, priors.warm_up(tau, len(design.warm_ups)))
            for number, column in enumerate(design.change_points[clock]):
                late = design.change_point_at[number] > length + MIN_AFTER_BURN_IN
                if design.starts[number] and late and (not few or number % 4 == 1):
                    log_odds = priors.change_point(len(CHANGE_POINTS))
                    yield Addition(column, log_odds, change_point=number).apply(plain)


def _refine_all(fitter: ModelFitter, starts: list[ModelFit], level_shifts: int) -> list[ModelFit]:
    """Return the start models and what they become by one addition after the other."""
    fits, frontier = list(starts), list(starts)
    for _ in range(MAX_ADDITIONS):
        # By burn-in: a level shift that took two points needs two additions before it shows its worth.
        best = _best_by_burn_in([*starts, *frontier])
        models = [
            _refine(fitter, fit, level_shifts)
            for fit in frontier
            if fit.log_weight >= best[fit.model.burn_in] - MAX_MODEL_GAP
        ]
        refined = _fit_all(fitter, (model for model in models if model is not None))
        fits += refined
        frontier = _distinct(refined)
    return fits


def _refine(
    fitter: ModelFitter, fit: ModelFit, level_shifts: int, change_points: int = MAX_CHANGE_POINTS
) -> CandidateModel | None:
    """Return the model with the addition that helps it most; None when nothing can be added.

    ``level_shifts`` and ``change_points`` are how many it may have.
    """
    design, model = fitter.design, fit.model
    shifts, prices = _further_level_shifts(design, model, level_shifts)
    clock = next(k for k, column in enumerate(design.clocks) if column in model.columns)
    bends, price = design.change_points[clock], priors.change_point(len(design.change_points[clock]))
    points = _further_change_points(design, model, change_points)
    others = list(_other_additions(design, model))
    if not len(shifts) and not len(points) and not others:
        return None
    columns = np.concatenate(
        [
            np.array(design.level_shifts, dtype=np.intp)[shifts],
            np.array(bends, dtype=np.intp)[points],
            np.array([one.column for one in others], dtype=np.intp),
        ]
    )
    log_odds = np.concatenate(
        [prices, np.full(len(points), price), np.array([one.log_odds for one in others])]
    )
    place = fitter.best_addition(fit, columns, log_odds)
    if place is None:
        return None
    column, odds, behind = int(columns[place]), float(log_odds[place]), place - len(shifts)
    if behind < 0:
        return Addition(column, odds, level_shift=int(shifts[place])).apply(model)
    if behind < len(points):
        return Addition(column, odds, change_point=int(points[behind])).apply(model)
    return others[behind - len(points)].apply(model)


def _further_level_shifts(
    design: DesignMatrix, model: CandidateModel, level_shifts: int
) -> tuple[npt.NDArray[np.intp], Numbers]:
    """Return the numbers of the level shifts that may be added, and the prior log odds of each."""
    if not level_shifts:
        return np.empty(0, dtype=np.intp), np.empty(0)
    earlier = priors.count_level_shifts(design, model.level_shifts)
    at, have = design.level_shift_at, design.level_shift_at[list(model.level_shifts)]
    near = np.atleast_1d((np.abs(at[:, None] - have) <= priors.SAME_LEVEL_SHIFT).any(axis=1))
    possible = (near | (earlier < level_shifts)) & (at > BURN_IN_SHARES[model.burn_in])
    possible[list(model.level_shifts)] = False
    numbers = np.flatnonzero(possible)
    another = priors.level_shift(design, earlier)
    return numbers, np.where(near[numbers], priors.SAME_LEVEL_SHIFT_LOG_ODDS, another)


def _further_change_points(
    design: DesignMatrix, model: CandidateModel, change_points: int
) -> npt.NDArray[np.intp]:
    """Return the numbers of the change points that may be added."""
    if len(model.change_points) >= change_points:
        return np.empty(0, dtype=np.intp)
    at = np.array(design.change_point_at)
    possible = at > BURN_IN_SHARES[model.burn_in] + MIN_AFTER_BURN_IN
    for other in model.change_points:
        possible &= np.abs(at - at[other]) > MIN_CHANGE_POINT_DISTANCE
    return np.flatnonzero(possible)


def _other_additions(design: DesignMatrix, model: CandidateModel) -> Iterator[Addition]:
    """Yield what may be added beside steps of level and slope."""
    log_odds = priors.load_way(len(design.load_regressors))
    for column in design.load_regressors:
        if column not in model.columns:
            yield Addition(column, log_odds)
    for column, warm_up in zip(design.warm_up_derivatives, design.warm_ups, strict=False):
        if set(warm_up) <= set(model.columns) and column not in model.columns:
            yield Addition(column, priors.DERIVATIVE_LOG_ODDS)


def _best_by_burn_in(fits: Iterable[ModelFit]) -> dict[int, float]:
    """Return the greatest log weight of the models after each burn-in."""
    best: dict[int, float] = {}
    for fit in fits:
        best[fit.model.burn_in] = max(best.get(fit.model.burn_in, -np.inf), fit.log_weight)
    return best


def _distinct(fits: Iterable[ModelFit]) -> list[ModelFit]:
    """Return each model once, whatever the order of its additions."""
    found: dict[tuple[int, frozenset[int]], ModelFit] = {}
    for fit in fits:
        found.setdefault((fit.model.burn_in, frozenset(fit.model.columns)), fit)
    return list(found.values())
