"""Shapes with a leak rate, fitted under every noise and weighted by how well they explain the points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, stdtr

from analysis.judge.models.burn_in import Beginning
from analysis.judge.models.covariance import family
from analysis.judge.models.design_matrix import Columns
from analysis.judge.points.binning import Points
from analysis.judge.types import Numbers

CUTS: Final = (0.0, 0.02, 0.04, 0.07, 0.12, 0.18, 0.25, 0.32, 0.4, 0.48, 0.56, 0.63, 0.7)
"""How much of the longest life's beginning may be left unexplained, as a warm-up of any form."""
CUT_LOG_ODDS: Final = -3.5
CUT_LOG_COST: Final = 6.0
"""The prior log odds of a cut, and what each further share of the run that it takes costs."""
FALLS_LOG_ODDS: Final = -8.0
"""Of a rate that falls by more than a margin for ever, which no process does."""
RIDGE: Final = 1e-9
"""Added to the squares of the columns, so that two that are alike make no singular matrix."""
UNLIKELY: Final = 7.0
"""A noise this far below the best in log weight no longer decides which column to add."""

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


def log_sum(values: Numbers) -> float:
    """Return the log of the sum of exponentials; scipy's own spends a tenth of a millisecond on formalities."""
    most = float(values.max())
    return most + float(np.log(np.exp(values - most).sum())) if np.isfinite(most) else most


class Weigher:
    """Fits models to one signal; what all of them share is computed once."""

    def __init__(self, points: Points, columns: Columns, value: Numbers, margin: float, floor: float) -> None:
        """Take the points, their columns, the value in a scale of the order of 1, and in it margin and least noise."""
        self.points, self.columns, self.value, self.margin = points, columns, value, margin
        self.base = len(columns.levels) + 1
        self.floor = floor**2
        self.early = _earliness(points)
        # The beginnings come last, so that leaving them out leaves the factors of the rest as they are.
        self.order = np.argsort(-self.early, kind="stable")
        everything = np.column_stack([columns.values, value])[self.order]
        self.y = everything.shape[1] - 1
        whiten, logs = family(points.t_s[self.order], points.life[self.order])
        self.white = whiten @ everything
        self.squares = np.cumsum(self.white**2, axis=1)
        self.plain = np.cumsum(everything**2, axis=0)
        sizes = [int((self.early >= cut).sum()) for cut in CUTS]
        self.sizes = sizes
        self.cuts = [k for k, size in enumerate(sizes) if k == 0 or 5 <= size < sizes[k - 1]]
        self.logdet = np.stack([2 * logs[:, :size].sum(axis=1) for size in sizes], axis=1)
        self.everything = everything
        share = (points.t_s - points.t_s.min()) / points.span_s
        self.beginnings = [Beginning(share[self.early < cut], points.life[self.early < cut]) for cut in CUTS]
        self.unexplained = [self._unexplained(number) for number in range(len(CUTS))]

    def keep(self, noises: npt.NDArray[np.bool_]) -> None:
        """Go on with these noises alone."""
        self.white, self.squares, self.logdet = self.white[noises], self.squares[noises], self.logdet[noises]

    def add_leak(self, amount: float) -> None:
        """Add a leak of this much over the run, in the scaled unit, to the value."""
        clock = self.columns.clocks[0]
        self.value = self.value + amount * self.columns.values[:, clock]
        self.everything[:, self.y] += amount * self.everything[:, clock]
        self.white[:, :, self.y] += amount * self.white[:, :, clock]
        self.squares[:, :, self.y] = np.cumsum(self.white[:, :, self.y] ** 2, axis=1)
        self.unexplained = [self._unexplained(number) for number in range(len(CUTS))]

    def room(self, model: Model, spare: int) -> bool:
        """Return whether at least ``spare`` points are left when every column has taken one."""
        return len(model.columns) <= self.sizes[model.cut] - spare

    def fit(self, model: Model) -> Fit:
        """Fit one model under every noise."""
        count, index = self.sizes[model.cut], np.array(model.columns)
        inner, right, whole = self._normal(model)
        inverse = np.linalg.inv(inner)
        beta = (inverse @ right[:, :, None])[:, :, 0]
        rest = np.maximum(whole - (beta * right).sum(axis=1), 0.0) + count * self.floor
        freedom = float(max(count - len(index), 1))
        # Flat on levels and slope; on each column beyond them a unit-information prior (Kass and Wasserman 1995),
        # in the scale that it has under independent noise.
        power = (count - self.base + 1) / 2
        part = self.everything[:count, index]
        bare = np.linalg.slogdet(part.T @ part + RIDGE * np.eye(len(index)))[1]
        weight = (
            -0.5 * self.logdet[:, model.cut]
            - 0.5 * np.linalg.slogdet(inner)[1]
            + 0.5 * bare
            - 0.5 * (len(index) - self.base) * np.log(count)
            - power * np.log(np.pi * rest)
            + float(gammaln(power))
            + self.unexplained[model.cut]
            + model.log_prior
        )
        value = error = np.zeros(len(beta))
        if model.slope:
            contrast = np.isin(index, model.slope).astype(float)
            value = beta @ contrast
            error = np.sqrt(rest / freedom * np.maximum(contrast @ (inverse @ contrast).T, 1e-300))
            rises = stdtr(freedom, (value + self.margin) / error)
            weight = weight + np.log(rises + np.exp(FALLS_LOG_ODDS))
        return Fit(model, weight, value, error, freedom, log_sum(weight))

    def best_addition(self, fit: Fit, pool: Index, log_prior: Numbers) -> int | None:
        """Return which column of ``pool`` adds most to the model; None when none can be added."""
        model, size = fit.model, self.sizes[fit.model.cut]
        likely = np.flatnonzero(fit.log_weight > fit.log_weight.max() - UNLIKELY)
        inner, right, whole = (part[likely] for part in self._normal(model))
        white = self.white[likely, :size]
        added = white[:, :, pool]
        fixed = np.swapaxes(
            np.concatenate([white[:, :, list(model.columns)], white[:, :, self.y, None]], axis=2), 1, 2
        )
        both = fixed @ added
        cross, onto = both[:, :-1], both[:, -1]
        solved = np.linalg.solve(inner, np.concatenate([cross, right[:, :, None]], axis=2))
        own = self.squares[likely, size - 1][:, pool]
        left = own - (cross * solved[:, :, :-1]).sum(axis=1)
        usable = (left > 1e-7 * own) & (own > 1e-9)
        left = np.where(usable, left, 1.0)
        gain = (onto - (solved[:, :, :-1] * right[:, :, None]).sum(axis=1)) ** 2 / left
        rest = np.maximum(whole - (solved[:, :, -1] * right).sum(axis=1), 0.0) + size * self.floor
        power = (size - self.base + 1) / 2
        change = -power * np.log1p(-np.minimum(gain / rest[:, None], 1 - 1e-12)) - 0.5 * np.log(left)
        change += 0.5 * np.log(np.maximum(self.plain[size - 1, pool], 1e-12))
        each = fit.log_weight[likely][:, None] + change
        most = each.max(axis=0)
        total = most + np.log(np.exp(each - most).sum(axis=0)) + log_prior
        total = np.where(usable.all(axis=0), total, -np.inf)
        return int(np.argmax(total)) if np.isfinite(total).any() else None

    def coefficients(self, fit: Fit) -> Numbers:
        """Return the coefficients of a fitted model under the noise that explains it best."""
        inner, right, _ = self._normal(fit.model)
        best = int(np.argmax(fit.log_weight))
        return np.linalg.solve(inner[best], right[best])

    def without(self, fit: Fit, columns: tuple[int, ...]) -> tuple[Numbers, Numbers]:
        """Return times and values of the points after the cut, less what these columns of the model explain."""
        model = fit.model
        kept = self.order[: self.sizes[model.cut]]
        places = [model.columns.index(column) for column in columns]
        rest = self.value[kept] - self.columns.values[kept][:, list(columns)] @ self.coefficients(fit)[places]
        return self.points.t_s[kept], rest

    def _normal(self, model: Model) -> tuple[Numbers, Numbers, Numbers]:
        """Return the model's normal equations under every noise, and the sum of squares."""
        index, size = np.array(model.columns), self.sizes[model.cut]
        part = self.white[:, :size, index]
        across = np.swapaxes(part, 1, 2)
        inner = across @ part
        own = np.arange(len(index))
        inner[:, own, own] += RIDGE * np.maximum(inner[:, own, own], 1.0)
        right = (across @ self.white[:, :size, self.y, None])[:, :, 0]
        return inner, right, self.squares[:, size - 1, self.y]

    def _unexplained(self, number: int) -> float:
        """Return the log evidence of what is cut, less the price of cutting it."""
        out = self.early < CUTS[number]
        if not out.any():
            return 0.0
        evidence = self.beginnings[number].log_evidence(self.value[out], self.floor)
        return CUT_LOG_ODDS - CUT_LOG_COST * CUTS[number] + evidence


def _earliness(points: Points) -> Numbers:
    """Return the age of each point in shares of the longest life; where there are several, no later half is early."""
    lives, number = np.unique(points.life, return_inverse=True)
    own_s = np.array([points.age_s[number == k].max() for k in range(len(lives))])[number]
    late = points.age_s >= own_s / 2 if len(lives) > 1 else np.zeros(len(own_s), dtype=bool)
    return np.where(late, np.inf, points.age_s / max(float(own_s.max()), 1e-9))
