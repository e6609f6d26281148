"""The leak rate as an average over shapes and noises, each weighted by how well it explains the points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, logsumexp, stdtr

from analysis.judge.bins import Points
from analysis.judge.model import Numbers
from analysis.judge.noise import family
from analysis.judge.shapes import KNEES, WARMUPS, Columns

CUTS: Final = (0.0, 0.02, 0.04, 0.07, 0.12, 0.18, 0.25, 0.32, 0.4, 0.48, 0.56, 0.63, 0.7)
"""How much of the longest life's beginning may be left unexplained, as a warm-up of any form."""
KEPT_CUTS: Final = 2
MAX_EXTRAS: Final = 4
"""Steps, knees and windows beside the start shape."""
MAX_STEPS: Final = 2
NEAR: Final = 0.025
"""Steps this close, in shares of the run, are one that took a while."""
MAX_KNEES: Final = 2
SPARE: Final = 3
"""Points that must be left when every column has taken one."""
HOPELESS: Final = 7.0
"""A start shape this far below the best in log weight is not refined."""
STEP_LOG_ODDS: Final = (-2.0, -4.0)
NEAR_LOG_ODDS: Final = -3.0
KNEE_LOG_ODDS: Final = -1.5
SLOW_LOG_ODDS: Final = -1.5
"""Of a warm-up that is still felt late in the run."""
WINDOW_LOG_ODDS: Final = -1.0
RATE_LOG_ODDS: Final = -0.5
CUT_LOG_ODDS: Final = -2.0
CUT_LOG_COST: Final = 6.0
FALLS_LOG_ODDS: Final = -8.0
"""Of a rate that falls by more than a margin for ever, which no process does."""

TEMPER: Final = 0.85
"""Power of a shape's weight in the average: no shape is quite true, so none may outweigh the others as if it were."""
RIDGE: Final = 1e-9
"""Added to the squares of the columns, so that two that are alike make no singular matrix."""

Index = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Model:
    """One shape: which columns, and what the leak rate is made of."""

    columns: tuple[int, ...]
    slope: tuple[int, ...]
    """Those whose coefficients add up to the leak rate at the end; empty for a shape without one."""
    log_prior: float
    cut: int = 0
    """Number of the cut that comes before it."""
    steps: tuple[int, ...] = ()
    """Numbers of its steps."""
    knees: tuple[int, ...] = ()
    """Numbers of its knees."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A shape fitted under every noise; arrays of one length, by noise."""

    model: Model
    log_weight: Numbers
    value: Numbers
    """Leak rate, in the scaled unit: of the value's scale over the whole run."""
    error: Numbers
    """Its standard error."""
    freedom: float
    total: float
    """Log weight over all noises."""


class Weigher:
    """Fits models to one signal; what all of them share is computed once."""

    def __init__(self, points: Points, columns: Columns, value: Numbers, margin: float, floor: float) -> None:
        """Take the points, their columns, the value in a scale of the order of 1, and in it margin and least noise."""
        self.margin = margin
        self.points, self.columns, self.value = points, columns, value
        self.base = len(columns.levels) + 1
        self.floor = floor**2
        early = _earliness(points)
        # The beginnings come last, so that leaving them out leaves the factors of the rest as they are.
        order = np.argsort(-early, kind="stable")
        self.order = order
        self.everything = np.column_stack([columns.values, value])
        self.y = self.everything.shape[1] - 1
        whiten, logs = family(points.t_s[order], points.life[order])
        self.white = whiten @ self.everything[order]
        sizes = [int((early >= cut).sum()) for cut in CUTS]
        self.cuts = [k for k, size in enumerate(sizes) if k == 0 or size < sizes[k - 1]]
        self.sizes = sizes
        self.logdet = [2 * logs[:, :size].sum(axis=1) for size in sizes]
        self.early = [self._early(cut, early < cut) for cut in CUTS]
        self.squares = np.cumsum(self.white**2, axis=1)

    def _early(self, cut: float, out: npt.NDArray[np.bool_]) -> float:
        """Return the log evidence of what is cut: a random walk of the level or of the slope, of a variance of its own."""
        if not out.any():
            return 0.0
        life, value = self.points.life, self.value
        moves = np.diff(value)[out[:-1] & (life[1:] == life[:-1])]
        bends = np.diff(value, 2)[out[:-2] & (life[2:] == life[:-2])]
        return CUT_LOG_ODDS - CUT_LOG_COST * cut + float(np.logaddexp(self._walk(moves, len(moves)), self._walk(bends, len(moves))))

    def _walk(self, moves: Numbers, count: int) -> float:
        if len(moves) == 0:
            return -np.inf
        variance = float((moves**2).mean()) + self.floor
        return float(gammaln(count / 2) - count / 2 * np.log(np.pi * count * variance))

    def fit(self, model: Model) -> Fit:
        """Fit one model under every noise."""
        count = self.sizes[model.cut]
        index, inner, right, whole = self._normal(model)
        inverse = np.linalg.inv(inner)
        beta = (inverse @ right[:, :, None])[:, :, 0]
        rest = np.maximum(whole - (beta * right).sum(axis=1), 0.0) + count * self.floor
        freedom = float(max(count - len(index), 1))
        contrast = np.isin(index, model.slope).astype(float)
        value = beta @ contrast
        error = np.sqrt(rest / freedom * np.einsum("i,tij,j->t", contrast, inverse, contrast))
        sign, determinants = np.linalg.slogdet(inner)
        # Flat on levels and slope; on each column beyond them a unit-information prior (Kass and Wasserman 1995), in the
        # scale that it has under independent noise, the first of the family.
        power = (count - self.base + 1) / 2
        weight = (
            -0.5 * self.logdet[model.cut]
            - 0.5 * determinants
            + 0.5 * determinants[0]
            - 0.5 * (len(index) - self.base) * np.log(count)
            - power * np.log(np.pi * rest)
            + gammaln(power)
            + self.early[model.cut]
            + model.log_prior
        )
        if model.slope:
            rises = stdtr(freedom, (value + self.margin) / np.maximum(error, 1e-300))
            weight += np.log(rises + np.exp(FALLS_LOG_ODDS))
        weight = np.where(sign > 0, weight, -np.inf)
        return Fit(model, weight, value, error, freedom, float(logsumexp(weight)))

    def best_addition(self, fit: Fit, pool: Index, log_prior: Numbers) -> int | None:
        """Return which column of ``pool`` adds most to the model; None when none can be added."""
        model, size = fit.model, self.sizes[fit.model.cut]
        likely = np.flatnonzero(fit.log_weight > fit.log_weight.max() - 7)
        _, inner, right, whole = self._normal(model)
        inner, right, whole = inner[likely], right[likely], whole[likely]
        white = self.white[likely, :size]
        added = white[:, :, pool]
        cross = np.swapaxes(white[:, :, list(model.columns)], 1, 2) @ added
        both = np.linalg.solve(inner, np.concatenate([cross, right[:, :, None]], axis=2))
        own = self.squares[likely, size - 1][:, pool]
        left = own - (cross * both[:, :, :-1]).sum(axis=1)
        usable = (left > 1e-7 * own) & (own > 1e-9)
        left = np.where(usable, left, 1.0)
        onto = (np.swapaxes(added, 1, 2) @ white[:, :, self.y, None])[:, :, 0]
        gain = (onto - (both[:, :, :-1] * right[:, :, None]).sum(axis=1)) ** 2 / left
        rest = np.maximum(whole - (both[:, :, -1] * right).sum(axis=1), 0.0) + size * self.floor
        count = size
        power = (count - self.base + 1) / 2
        change = -power * np.log1p(-np.minimum(gain / rest[:, None], 1 - 1e-12)) - 0.5 * np.log(left)
        change += 0.5 * np.log(np.maximum(self.squares[0, size - 1, pool], 1e-12))
        total = logsumexp(fit.log_weight[likely][:, None] + change, axis=0) + log_prior
        total = np.where(usable.all(axis=0), total, -np.inf)
        return int(np.argmax(total)) if np.isfinite(total).any() else None

    def rises(self, model: Model, filling: tuple[int, ...]) -> bool:
        """Return whether the filling part of a model rises, and so slows down."""
        beta = self._white_beta(model)
        values = self.columns.values
        parts = [values[:, column] * beta[model.columns.index(column)] for column in filling]
        return all(part[np.flatnonzero(part)[-1]] >= part[np.flatnonzero(part)[0]] for part in parts if part.any())

    def deviation(self, model: Model) -> float:
        """Return the spread of the points around a model, in the scaled unit."""
        kept = self.order[: self.sizes[model.cut]]
        fitted = self.columns.values[kept][:, list(model.columns)] @ self._white_beta(model)
        return float(np.std(self.value[kept] - fitted))

    def leaking_part(self, model: Model) -> tuple[Numbers, Numbers]:
        """Return times and values of the points after the last knee, less all that the model says is no leak."""
        kept = self.order[: self.sizes[model.cut]]
        beta, values = self._white_beta(model), self.columns.values[kept]
        other = [k for k, column in enumerate(model.columns) if column not in model.slope]
        rest = self.value[kept] - values[:, [model.columns[k] for k in other]] @ beta[other]
        t_s = self.points.t_s[kept]
        at = max((self.columns.knee_at[knee] for knee in model.knees), default=0.0)
        late = t_s >= self.points.t_s.min() + at * self.points.span_s
        return t_s[late], rest[late]

    def _white_beta(self, model: Model) -> Numbers:
        _, inner, right, _ = self._normal(model)
        return np.linalg.solve(inner[0], right[0])

    def _normal(self, model: Model) -> tuple[Index, Numbers, Numbers, Numbers]:
        """Return the model's columns and its normal equations under every noise, with the sum of squares."""
        index, size = np.array(model.columns), self.sizes[model.cut]
        part = self.white[:, :size, index]
        across = np.swapaxes(part, 1, 2)
        inner = across @ part
        own = np.arange(len(index))
        inner[:, own, own] += RIDGE * np.maximum(inner[:, own, own], 1.0)
        right = (across @ self.white[:, :size, self.y, None])[:, :, 0]
        return index, inner, right, self.squares[:, size - 1, self.y]


def _earliness(points: Points) -> Numbers:
    """Return the age of each point in shares of the longest life; the later half of a life is never early."""
    lives = np.unique(points.life)
    lengths_s = {life: float(points.age_s[points.life == life].max()) for life in lives}
    own_s = np.array([lengths_s[life] for life in points.life])
    return np.where(points.age_s < own_s / 2 if len(lives) > 1 else True, points.age_s / own_s.max(), np.inf)


def explain(weigher: Weigher) -> tuple[Fit, ...]:
    """Return the fitted shapes that have a leak rate: start shapes, each refined by steps and knees as it needs them."""
    columns = weigher.columns
    quick = [fit for cut in weigher.cuts for fit in _fitted(weigher, _starts(columns, cut, [()], clocks=1))]
    best_of = {cut: max((fit.total for fit in quick if fit.model.cut == cut), default=-np.inf) for cut in weigher.cuts}
    cuts = sorted(best_of, key=lambda cut: -best_of[cut])[:KEPT_CUTS]
    cuts += [0] if 0 not in cuts else []
    sets = list(columns.rates)
    if len(sets) > 1:
        starts = sorted(quick, key=lambda fit: -fit.total)[:3]
        tried = [
            (max(weigher.fit(replace(fit.model, columns=(*fit.model.columns, *rates))).total for fit in starts), rates)
            for rates in sets
        ]
        sets = [max(tried)[1]]
    begun = [fit for fit in quick if fit.model.cut in cuts]
    rest = [model for cut in cuts for model in _starts(columns, cut, [(), *sets], clocks=len(columns.clocks))]
    have = {(fit.model.cut, fit.model.columns) for fit in begun}
    begun += _fitted(weigher, [model for model in rest if (model.cut, model.columns) not in have])
    everything = _grown(weigher, begun, MAX_STEPS)
    best = max(everything, key=lambda fit: fit.total)
    if _shifts(columns, best.model) == MAX_STEPS:
        third = _refined(weigher, best, MAX_STEPS + 1, knees=0)
        if third is not None and _shifts(columns, third) > MAX_STEPS and weigher.fit(third).total > best.total:
            # Shifts that are so many are no single events: they are what leaks, or what the noise is made of.
            everything = _grown(weigher, begun, 0)
    return _distinct(everything)


def _grown(weigher: Weigher, begun: list[Fit], steps: int) -> list[Fit]:
    everything, frontier = list(begun), list(begun)
    for _ in range(MAX_EXTRAS):
        grown: list[Fit] = []
        # Each cut has a best of its own: a step that took two points needs two additions before it shows its worth.
        best: dict[int, float] = {}
        for fit in (*begun, *frontier):
            best[fit.model.cut] = max(best.get(fit.model.cut, -np.inf), fit.total)
        for fit in frontier:
            if fit.total < best[fit.model.cut] - HOPELESS or len(fit.model.columns) + 1 > weigher.sizes[fit.model.cut] - SPARE:
                continue
            model = _refined(weigher, fit, steps)
            if model is not None:
                grown.append(weigher.fit(model))
        everything += grown
        frontier = list(_distinct(grown))
    return everything


def _fitted(weigher: Weigher, models: list[Model]) -> list[Fit]:
    return [weigher.fit(model) for model in models if len(model.columns) <= weigher.sizes[model.cut] - SPARE]


def _distinct(fits: list[Fit]) -> tuple[Fit, ...]:
    """Return each shape once, however it was come to."""
    found: dict[tuple[int, frozenset[int]], Fit] = {}
    for fit in fits:
        found.setdefault((fit.model.cut, frozenset(fit.model.columns)), fit)
    return tuple(found.values())


def _starts(columns: Columns, cut: int, sets: list[tuple[int, ...]], *, clocks: int) -> list[Model]:
    starts = []
    at = CUTS[cut]
    for clock, slope in enumerate(columns.clocks[:clocks]):
        for rates in sets:
            prior = RATE_LOG_ODDS - float(np.log(len(columns.rates))) if rates else 0.0
            plain = (*columns.levels, slope, *rates)
            starts.append(Model(plain, (slope,), prior, cut))
            starts += [
                Model(
                    (*plain, *warmup),
                    (slope,),
                    prior - float(np.log(len(columns.warmups))) + (SLOW_LOG_ODDS if tau > 0.15 else 0.0),
                    cut,
                )
                for tau, warmup in zip((*WARMUPS, 1.0, 1.0), columns.warmups, strict=True)
                if tau > at / 2
            ]
            each = prior + KNEE_LOG_ODDS - float(np.log(len(KNEES)))
            starts += [
                Model((*plain, knee), (slope, knee), each, cut, knees=(number,))
                for number, knee in enumerate(columns.knees[clock])
                if columns.coarse[number] and columns.knee_at[number] > at + 0.05
            ]
    return starts


def _shifts(columns: Columns, model: Model) -> int:
    """Return how many level shifts a model has."""
    at = np.sort(columns.step_at[list(model.steps)])
    return 0 if len(at) == 0 else 1 + int((np.diff(at) > NEAR).sum())


def _refined(weigher: Weigher, fit: Fit, steps: int, knees: int = MAX_KNEES) -> Model | None:
    columns, model = weigher.columns, fit.model
    at = CUTS[model.cut]
    clock = next(k for k, column in enumerate(columns.clocks) if column in model.columns)
    pool: list[int] = []
    priors: list[float] = []
    kinds: list[tuple[str, int]] = []
    have, shifts = columns.step_at[list(model.steps)], _shifts(columns, model)
    each = STEP_LOG_ODDS[min(shifts, 1)] - float(np.log(max(len(columns.steps), 1)))
    for number, step in enumerate(columns.steps):
        near = bool((np.abs(have - columns.step_at[number]) <= NEAR).any())
        if number not in model.steps and (near or shifts < steps) and steps:
            pool.append(step)
            priors.append(NEAR_LOG_ODDS if near else each)
            kinds.append(("step", number))
    if len(model.knees) < knees:
        own = columns.knees[clock]
        for number, knee in enumerate(own):
            if columns.knee_at[number] > at + 0.05 and knee not in model.columns:
                pool.append(knee)
                priors.append(KNEE_LOG_ODDS - float(np.log(len(own))))
                kinds.append(("knee", number))
    for window in columns.loads:
        if window not in model.columns:
            pool.append(window)
            priors.append(WINDOW_LOG_ODDS - float(np.log(len(columns.loads))))
            kinds.append(("window", 0))
    if not pool:
        return None
    place = weigher.best_addition(fit, np.array(pool, dtype=np.intp), np.array(priors))
    if place is None:
        return None
    kind, number = kinds[place]
    more = replace(model, columns=(*model.columns, pool[place]), log_prior=model.log_prior + priors[place])
    if kind == "step":
        return replace(more, steps=(*model.steps, number))
    if kind == "knee":
        return replace(more, slope=(*model.slope, pool[place]), knees=(*model.knees, number))
    return more


@dataclass(frozen=True, slots=True)
class Mixture:
    """The leak rate's distribution: Student t parts with their weights."""

    weight: Numbers
    value: Numbers
    error: Numbers
    freedom: Numbers

    @classmethod
    def of(cls, fits: tuple[Fit, ...]) -> Mixture:
        """Return the average of all fits, without parts that weigh next to nothing."""
        log_weight = np.concatenate([fit.log_weight - (1 - TEMPER) * (fit.total - fit.model.log_prior) for fit in fits])
        weight = np.exp(log_weight - log_weight.max())
        weight /= weight.sum()
        keep = weight > 1e-5
        value, error = (np.concatenate([getattr(fit, name) for fit in fits]) for name in ("value", "error"))
        freedom = np.concatenate([np.full(len(fit.value), fit.freedom) for fit in fits])
        return cls(weight[keep] / weight[keep].sum(), value[keep], error[keep], freedom[keep])

    def below(self, at: float) -> float:
        """Return the probability that the leak rate is below ``at``."""
        return float((self.weight * stdtr(self.freedom, (at - self.value) / self.error)).sum())

    def quantile(self, share: float) -> float:
        """Return the rate below which this share of the distribution lies, by bisection."""
        reach = self.error * 60
        low, high = float((self.value - reach).min()), float((self.value + reach).max())
        for _ in range(50):
            middle = (low + high) / 2
            if self.below(middle) < share:
                low = middle
            else:
                high = middle
        return (low + high) / 2
