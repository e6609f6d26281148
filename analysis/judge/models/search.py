"""The search for shapes that explain a signal: start shapes, refined by steps, knees and the load."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from analysis.judge.models.design_matrix import KNEES, WARMUPS, Columns
from analysis.judge.models.fitting import CUTS, UNLIKELY, Fit, Model, Weigher

KEPT_CUTS: Final = 2
"""Cuts beside none at all that are refined: the best."""
MAX_EXTRAS: Final = 4
"""Steps, knees and loads beside the start shape."""
MAX_STEPS: Final = 2
"""Level shifts that are taken for single events; more of them are what leaks, or what the noise is made of."""
NEAR: Final = 0.03
"""Steps this close, in shares of the run, are one that took a while."""
MAX_KNEES: Final = 2
KNEES_APART: Final = 0.1
"""Two knees closer than this are a wave, not the end of one thing and the beginning of another."""
SPARE: Final = 3
"""Points that must be left when every column has taken one."""
HOPELESS: Final = 7.0
"""A shape this far below the best of its cut in log weight is not refined."""
STEP_LOG_ODDS: Final = (-2.0, -4.0)
"""Prior log odds of a first and a second step; further down those of the other shapes."""
NEAR_LOG_ODDS: Final = -3.0
KNEE_LOG_ODDS: Final = -1.5
LOAD_LOG_ODDS: Final = -0.7
SLOW_LOG_ODDS: Final = -1.5
"""Of a warm-up that is still felt late in the run."""
SLOW: Final = 0.15


def explain(weigher: Weigher) -> tuple[Fit, ...]:
    """Return the fitted shapes that have a leak rate."""
    columns = weigher.columns
    quick = [
        fit
        for cut in weigher.cuts
        for fit in _fitted(weigher, _starts(columns, cut, [()], clocks=1, few=cut > 0))
    ]
    _keep_likely_noises(weigher, quick)
    best_of = {
        cut: max((fit.total for fit in quick if fit.model.cut == cut), default=-np.inf)
        for cut in weigher.cuts
    }
    cuts = {0, *sorted(best_of, key=lambda cut: -best_of[cut])[:KEPT_CUTS]}
    sets = _best_load(weigher, quick)
    begun = _fitted(
        weigher,
        [
            model
            for cut in cuts
            for model in _starts(columns, cut, [(), *sets], clocks=len(columns.clocks), few=False)
        ],
    )
    everything = _grown(weigher, begun, MAX_STEPS)
    best = max(everything, key=lambda fit: fit.total)
    if shifts(columns, best.model.steps) == MAX_STEPS:
        third = _refined(weigher, best, MAX_STEPS + 1, knees=0)
        if (
            third is not None
            and shifts(columns, third.steps) > MAX_STEPS
            and weigher.fit(third).total > best.total
        ):
            everything = _grown(weigher, begun, 0)
    return _distinct(everything)


def shifts(columns: Columns, steps: tuple[int, ...]) -> int:
    """Return how many level shifts these steps make up."""
    at = np.sort(columns.step_at[list(steps)])
    return 0 if len(at) == 0 else 1 + int((np.diff(at) > NEAR).sum())


def price(columns: Columns, load: tuple[int, ...], steps: tuple[int, ...]) -> float:
    """Return the prior log odds of following the load by these columns, and of these steps."""
    found = shifts(columns, steps)
    each = -float(np.log(max(len(columns.steps), 1)))
    stepping = sum(STEP_LOG_ODDS[min(number, 1)] + each for number in range(found))
    near = NEAR_LOG_ODDS * (len(steps) - found)
    ways = len(set(load) & set(columns.loads)) or int(bool(load))
    following = ways * (LOAD_LOG_ODDS - float(np.log(max(len(columns.rates), 1))))
    return stepping + near + following


def _keep_likely_noises(weigher: Weigher, quick: list[Fit]) -> None:
    """Go on with the noises that are likely under the best shapes so far, with their steps taken out."""
    first = sorted(quick, key=lambda fit: -fit.total)[:1]
    first += [max((fit for fit in quick if fit.model.cut == 0), key=lambda fit: fit.total)]
    keep = np.zeros(len(quick[0].log_weight), dtype=bool)
    for fit in first:
        best = fit
        while True:
            keep |= best.log_weight > best.log_weight.max() - UNLIKELY
            model = (
                _refined(weigher, best, MAX_STEPS)
                if len(best.model.columns) < len(fit.model.columns) + 3
                else None
            )
            if model is None:
                break
            more = weigher.fit(model)
            if more.total < best.total - HOPELESS:
                break
            best = more
    weigher.keep(keep)


def _best_load(weigher: Weigher, quick: list[Fit]) -> list[tuple[int, ...]]:
    """Return the load that explains most beside one of the best start shapes, as a list of one; or none."""
    models = [fit.model for fit in sorted(quick, key=lambda fit: -fit.total)[:2]]
    tried = [
        (fit.total, rates)
        for rates in weigher.columns.rates
        for fit in _fitted(weigher, [replace(model, columns=(*model.columns, *rates)) for model in models])
    ]
    return [max(tried)[1]] if tried else []


def _fitted(weigher: Weigher, models: list[Model]) -> list[Fit]:
    return [weigher.fit(model) for model in models if weigher.room(model, SPARE)]


def _starts(
    columns: Columns, cut: int, sets: list[tuple[int, ...]], *, clocks: int, few: bool
) -> list[Model]:
    """Return the start shapes after a cut: plain, with a warm-up, with a knee; ``few`` of them, or all."""
    starts = []
    at = CUTS[cut]
    taus = (*WARMUPS, 1.0, 1.0)  # the last two are the creeps, which are slow
    for clock, slope in enumerate(columns.clocks[:clocks]):
        for rates in sets:
            prior = LOAD_LOG_ODDS - float(np.log(len(columns.rates))) if rates else 0.0
            plain = (*columns.levels, slope, *rates)
            starts.append(Model(plain, (slope,), prior, cut))
            for number, (tau, warmup) in enumerate(zip(taus, columns.warmups, strict=True)):
                if tau <= at / 2 or (few and number % 3 != 1):
                    continue
                log_prior = prior - float(np.log(len(taus))) + (SLOW_LOG_ODDS if tau > SLOW else 0.0)
                starts.append(Model((*plain, *warmup), (slope,), log_prior, cut))
            for number, knee in enumerate(columns.knees[clock]):
                if (
                    not columns.coarse[number]
                    or columns.knee_at[number] <= at + 0.05
                    or (few and number % 4 != 1)
                ):
                    continue
                log_prior = prior + KNEE_LOG_ODDS - float(np.log(len(KNEES)))
                starts.append(Model((*plain, knee), (slope, knee), log_prior, cut, knees=(number,)))
    return starts


def _grown(weigher: Weigher, begun: list[Fit], steps: int) -> list[Fit]:
    """Return the start shapes and what they become by one addition after the other."""
    everything, frontier = list(begun), list(begun)
    for _ in range(MAX_EXTRAS):
        grown: list[Fit] = []
        # Each cut has a best of its own: a step that took two points needs two additions before it shows its worth.
        best: dict[int, float] = {}
        for fit in (*begun, *frontier):
            best[fit.model.cut] = max(best.get(fit.model.cut, -np.inf), fit.total)
        for fit in frontier:
            if fit.total >= best[fit.model.cut] - HOPELESS:
                model = _refined(weigher, fit, steps)
                if model is not None and weigher.room(model, SPARE):
                    grown.append(weigher.fit(model))
        everything += grown
        frontier = list(_distinct(grown))
    return everything


def _refined(weigher: Weigher, fit: Fit, steps: int, knees: int = MAX_KNEES) -> Model | None:
    """Return the model with the step, knee or load that helps it most; None when nothing can be added."""
    columns, model = weigher.columns, fit.model
    at = CUTS[model.cut]
    clock = next(k for k, column in enumerate(columns.clocks) if column in model.columns)
    pool: list[tuple[int, float, str, int]] = []
    have, found = columns.step_at[list(model.steps)], shifts(columns, model.steps)
    each = STEP_LOG_ODDS[min(found, 1)] - float(np.log(max(len(columns.steps), 1)))
    near = np.atleast_1d((np.abs(columns.step_at[:, None] - have) <= NEAR).any(axis=1))
    for number, step in enumerate(columns.steps if steps else ()):
        if number not in model.steps and (near[number] or found < steps) and columns.step_at[number] > at:
            pool.append((step, NEAR_LOG_ODDS if near[number] else each, "step", number))
    own = columns.knees[clock]
    if len(model.knees) < knees:
        prior = KNEE_LOG_ODDS - float(np.log(len(own)))
        pool += [
            (knee, prior, "knee", number)
            for number, knee in enumerate(own)
            if columns.knee_at[number] > at + 0.05
            and all(
                abs(columns.knee_at[number] - columns.knee_at[other]) > KNEES_APART for other in model.knees
            )
        ]
    prior = LOAD_LOG_ODDS - float(np.log(max(len(columns.loads), 1)))
    pool += [(load, prior, "load", 0) for load in columns.loads if load not in model.columns]
    pool += [
        (bend, LOAD_LOG_ODDS, "bend", 0)
        for bend, warmup in zip(columns.bends, columns.warmups, strict=False)
        if set(warmup) <= set(model.columns) and bend not in model.columns
    ]
    if not pool:
        return None
    place = weigher.best_addition(
        fit, np.array([one[0] for one in pool], dtype=np.intp), np.array([one[1] for one in pool])
    )
    if place is None:
        return None
    column, prior, kind, number = pool[place]
    more = replace(model, columns=(*model.columns, column), log_prior=model.log_prior + prior)
    if kind == "step":
        return replace(more, steps=(*model.steps, number))
    if kind == "knee":
        return replace(more, slope=(*model.slope, column), knees=(*model.knees, number))
    return more


def _distinct(fits: list[Fit]) -> tuple[Fit, ...]:
    """Return each shape once, however it was come to."""
    found: dict[tuple[int, frozenset[int]], Fit] = {}
    for fit in fits:
        found.setdefault((fit.model.cut, frozenset(fit.model.columns)), fit)
    return tuple(found.values())
