"""Generalised least squares fits of candidate models, weighted by their marginal likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln, stdtr

from analysis.judge.models.burn_in import BurnIn
from analysis.judge.models.covariance import covariance_family
from analysis.judge.models.design_matrix import DesignMatrix
from analysis.judge.points.binning import Points
from analysis.judge.types import Numbers

BURN_IN_SHARES: Final = (0.0, 0.02, 0.04, 0.07, 0.12, 0.18, 0.25, 0.32, 0.4, 0.48, 0.56, 0.63, 0.7)
"""Burn-in lengths, in shares of the longest life: how much of its beginning a model may leave out."""
MIN_FITTED_POINTS: Final = 5
"""Points that a burn-in must leave."""
BURN_IN_LOG_ODDS: Final = -3.5
"""Prior log odds of any burn-in."""
BURN_IN_LOG_ODDS_PER_RUN: Final = -6.0
"""Prior log odds of a burn-in for its length, times that length as a share of the longest life."""
FALLING_LOG_ODDS: Final = -8.0
"""Prior log odds of a rate that falls by more than a margin for ever, which no process does."""
RIDGE: Final = 1e-9
"""Ridge of the normal equations, relative to each column's square, so that two like columns make no singular matrix."""
FITTED_AT_ONCE: Final = 16
"""Models that are fitted together, at most: their columns take about a MB."""
MAX_LOG_WEIGHT_GAP: Final = 7.0
"""Log weight below the best covariance from which on a covariance has no part in the choice of the next column."""


@dataclass(frozen=True, slots=True)
class CandidateModel:
    """One linear model: its columns of the design matrix, and which of them are the leak."""

    columns: tuple[int, ...]
    trend: tuple[int, ...]
    """Columns whose coefficients add up to the leak rate at the end; empty for a model without one."""
    log_prior: float
    burn_in: int = 0
    """Place of its burn-in length in ``BURN_IN_SHARES``."""
    level_shifts: tuple[int, ...] = ()
    """Numbers of its level shifts among those of the design matrix."""
    change_points: tuple[int, ...] = ()
    """Numbers of its slope change points among those of the design matrix."""

    def with_columns(self, columns: tuple[int, ...], log_odds: float = 0.0) -> CandidateModel:
        """Return the model with further columns, at this price."""
        return replace(self, columns=(*self.columns, *columns), log_prior=self.log_prior + log_odds)


@dataclass(frozen=True, slots=True)
class ModelFit:
    """A model fitted under every covariance; arrays of shape (k,) for k covariances."""

    model: CandidateModel
    log_weights: Numbers
    """Log of prior times marginal likelihood."""
    rate: Numbers
    """Leak rate, in the fitter's unit: the scaled value over the whole run."""
    error: Numbers
    """Standard error of the rate."""
    dof: float
    """Degrees of freedom of the rate's t distribution."""
    log_weight: float
    """Log of the sum of the weights."""


def log_sum_exp(values: Numbers) -> float:
    """Return log(sum(exp(values))); scipy's own spends a tenth of a millisecond on checks."""
    most = float(values.max())
    return most + float(np.log(np.exp(values - most).sum())) if np.isfinite(most) else most


@dataclass(frozen=True, slots=True)
class ModelFitter:
    """Fits candidate models to one signal: n points, m columns and the value, k covariances, c burn-in lengths.

    Points are in order of falling age, so that a burn-in comes last and leaves the Cholesky factors of the rest as they
    are. The value is scaled to the order of 1; the last column of each matrix is that of the value.
    """

    points: Points
    design: DesignMatrix
    value: Numbers
    """Scaled value in the order of ``points``, shape (n,)."""
    margin: float
    """Margin in the fitter's unit: the scaled value over the whole run."""
    least_variance: float
    """Lower bound of the variance of the scaled noise."""
    earliness: Numbers
    """Age of each point in shares of the longest life, shape (n,); inf for the later half of one life of several."""
    order: npt.NDArray[np.intp]
    """Places of the points by falling earliness, shape (n,)."""
    sizes: tuple[int, ...]
    """By burn-in length: the number of points that it leaves."""
    burn_ins: tuple[BurnIn, ...]
    burn_in_log_weights: tuple[float, ...]
    """By burn-in length: log of prior times marginal likelihood of what it leaves out."""
    plain: Numbers
    """Columns and value, shape (n, m + 1)."""
    white: Numbers
    """Columns and value, whitened by each covariance, shape (k, m + 1, n): a model takes whole columns, each of which
    lies in one piece."""
    squares: Numbers
    """Cumulative sums of the squares of ``white`` over the points, shape (k, n, m + 1)."""
    plain_squares: Numbers
    """Cumulative sums of the squares of ``plain`` over the points; the value's is that before any leak was added."""
    log_determinants: Numbers
    """Log determinants of the covariances by burn-in length, shape (k, c)."""

    @classmethod
    def of(
        cls, points: Points, design: DesignMatrix, value: Numbers, margin: float, least_deviation: float
    ) -> ModelFitter:
        """Take the points, their columns, the scaled value, and on its scale the margin and the least noise."""
        earliness = _earliness(points)
        order = np.argsort(-earliness, kind="stable")
        plain = np.column_stack([design.values, value])[order]
        whiten, logs = covariance_family(points.t_s[order], points.life[order])
        white = whiten @ plain
        sizes = tuple(int((earliness >= length).sum()) for length in BURN_IN_SHARES)
        share = (points.t_s - points.t_s.min()) / points.span_s
        early = [earliness < length for length in BURN_IN_SHARES]
        burn_ins = tuple(BurnIn(share[out], points.life[out]) for out in early)
        least_variance = least_deviation**2
        return cls(
            points=points,
            design=design,
            value=value,
            margin=margin,
            least_variance=least_variance,
            earliness=earliness,
            order=order,
            sizes=sizes,
            burn_ins=burn_ins,
            burn_in_log_weights=_burn_in_log_weights(burn_ins, earliness, value, least_variance),
            plain=plain,
            white=np.ascontiguousarray(np.swapaxes(white, 1, 2)),
            squares=np.cumsum(white**2, axis=1),
            plain_squares=np.cumsum(plain**2, axis=0),
            log_determinants=np.stack([2 * logs[:, :size].sum(axis=1) for size in sizes], axis=1),
        )

    @property
    def usable_burn_ins(self) -> list[int]:
        """Places of the burn-in lengths that leave enough points, and other points than the length before."""
        sizes = self.sizes
        return [k for k, size in enumerate(sizes) if k == 0 or MIN_FITTED_POINTS <= size < sizes[k - 1]]

    @property
    def _flat(self) -> int:
        """Number of columns with a flat prior: the levels and the rate."""
        return len(self.design.intercepts) + 1

    def with_covariances(self, kept: npt.NDArray[np.bool_]) -> ModelFitter:
        """Return a fitter with these covariances alone."""
        return replace(
            self,
            white=self.white[kept],
            squares=self.squares[kept],
            log_determinants=self.log_determinants[kept],
        )

    def with_leak(self, amount: float) -> ModelFitter:
        """Return a fitter of the same points with a leak of this much over the run, in the fitter's unit."""
        clock = self.design.clocks[0]
        plain, white, squares = self.plain.copy(), self.white.copy(), self.squares.copy()
        plain[:, -1] += amount * plain[:, clock]
        white[:, -1] += amount * white[:, clock]
        squares[:, :, -1] = np.cumsum(white[:, -1] ** 2, axis=1)
        value = self.value + amount * self.design.values[:, clock]
        weights = _burn_in_log_weights(self.burn_ins, self.earliness, value, self.least_variance)
        return replace(
            self, value=value, plain=plain, white=white, squares=squares, burn_in_log_weights=weights
        )

    def has_room(self, model: CandidateModel, spare: int) -> bool:
        """Return whether at least ``spare`` points are left when every column has taken one."""
        return len(model.columns) <= self.sizes[model.burn_in] - spare

    def fit(self, model: CandidateModel) -> ModelFit:
        """Fit one model as ``fit_all`` does."""
        return self.fit_all([model])[0]

    def fit_all(self, models: Sequence[CandidateModel]) -> list[ModelFit]:
        """Fit models under every covariance by generalised least squares (Aitken 1935); return them in their order.

        Those of one shape are fitted together: most of the time of one alone is that of calling numpy.
        """
        alike: dict[tuple[int, int, bool], list[int]] = {}
        for place, model in enumerate(models):
            alike.setdefault((model.burn_in, len(model.columns), bool(model.trend)), []).append(place)
        found: dict[int, ModelFit] = {}
        for places in alike.values():
            for first in range(0, len(places), FITTED_AT_ONCE):
                some = places[first : first + FITTED_AT_ONCE]
                found.update(zip(some, self._fit_alike([models[place] for place in some]), strict=True))
        return [found[place] for place in range(len(models))]

    def _fit_alike(self, models: Sequence[CandidateModel]) -> list[ModelFit]:
        """Fit models with one burn-in and one number of columns, all with a trend or none.

        The weight is the marginal likelihood with the scale of the noise integrated out: flat priors on levels and
        slope; on each further column a unit-information prior (Kass and Wasserman 1995), on the scale that it has under
        independent noise.
        """
        burn_in, index = models[0].burn_in, np.array([model.columns for model in models])
        count, width = self.sizes[burn_in], index.shape[1]
        inner, right, total = self._normal_equations(index, count, np.arange(len(self.white)))
        inverse = np.linalg.inv(inner)
        beta = (inverse @ right[..., None])[..., 0]
        residual = np.maximum(total - (beta * right).sum(axis=-1), 0.0) + count * self.least_variance
        dof = float(max(count - width, 1))
        power = (count - self._flat + 1) / 2
        part = np.moveaxis(self.plain[:count, index], 0, 1)
        independent = np.swapaxes(part, 1, 2) @ part
        diagonals = np.einsum("kii->ki", independent)
        diagonals += RIDGE
        information = np.linalg.slogdet(independent)[1]
        log_weights = (
            -0.5 * self.log_determinants[:, burn_in]
            - 0.5 * np.linalg.slogdet(inner)[1]
            + 0.5 * information[:, None]
            - 0.5 * (width - self._flat) * np.log(count)
            - power * np.log(np.pi * residual)
            + float(gammaln(power))
            + self.burn_in_log_weights[burn_in]
            + np.array([[model.log_prior] for model in models])
        )
        rate = error = np.zeros(residual.shape)
        if models[0].trend:
            contrast = np.array([[float(one in model.trend) for one in model.columns] for model in models])
            rate = (beta @ contrast[:, :, None])[..., 0]
            onto = (inverse @ contrast[:, None, :, None])[..., 0]
            spread = (contrast[:, None] @ np.swapaxes(onto, 1, 2))[:, 0]
            error = np.sqrt(residual / dof * np.maximum(spread, 1e-300))
            rising = stdtr(dof, (rate + self.margin) / error)
            log_weights = log_weights + np.log(rising + np.exp(FALLING_LOG_ODDS))
        return [
            ModelFit(model, weights, rates, errors, dof, log_sum_exp(weights))
            for model, weights, rates, errors in zip(models, log_weights, rate, error, strict=True)
        ]

    def best_addition(self, fit: ModelFit, columns: npt.NDArray[np.intp], log_odds: Numbers) -> int | None:
        """Return the place of the column that raises the model's weight most; None when none can be added.

        ``columns`` and their prior ``log_odds`` have one length. The change of the weight is that of the residual sum
        of squares and of the determinants by the Schur complement of each column.
        """
        model, size = fit.model, self.sizes[fit.model.burn_in]
        likely = np.flatnonzero(fit.log_weights > fit.log_weights.max() - MAX_LOG_WEIGHT_GAP)
        inner, right, total = (
            part[0] for part in self._normal_equations(np.array([model.columns]), size, likely)
        )
        added = self.white[likely[:, None], columns, :size]
        fixed = self.white[likely[:, None], np.array([*model.columns, -1]), :size]
        both = fixed @ np.swapaxes(added, 1, 2)
        cross, onto = both[:, :-1], both[:, -1]
        solved = np.linalg.solve(inner, np.concatenate([cross, right[:, :, None]], axis=2))
        own = self.squares[likely, size - 1][:, columns]
        schur = own - (cross * solved[:, :, :-1]).sum(axis=1)
        independent = (schur > 1e-7 * own) & (own > 1e-9)
        schur = np.where(independent, schur, 1.0)
        gain = (onto - (solved[:, :, :-1] * right[:, :, None]).sum(axis=1)) ** 2 / schur
        residual = np.maximum(total - (solved[:, :, -1] * right).sum(axis=1), 0.0)
        residual += size * self.least_variance
        power = (size - self._flat + 1) / 2
        change = -power * np.log1p(-np.minimum(gain / residual[:, None], 1 - 1e-12)) - 0.5 * np.log(schur)
        change += 0.5 * np.log(np.maximum(self.plain_squares[size - 1, columns], 1e-12))
        each = fit.log_weights[likely][:, None] + change
        most = each.max(axis=0)
        log_weight = most + np.log(np.exp(each - most).sum(axis=0)) + log_odds
        log_weight = np.where(independent.all(axis=0), log_weight, -np.inf)
        return int(np.argmax(log_weight)) if np.isfinite(log_weight).any() else None

    def coefficients(self, fit: ModelFit) -> Numbers:
        """Return the coefficients of a fitted model, by its columns, under the covariance of the greatest weight."""
        best = np.argmax(fit.log_weights, keepdims=True)
        size = self.sizes[fit.model.burn_in]
        inner, right, _ = self._normal_equations(np.array([fit.model.columns]), size, best)
        return np.linalg.solve(inner[0, 0], right[0, 0])

    def residual_after(self, fit: ModelFit, columns: tuple[int, ...]) -> tuple[Numbers, Numbers]:
        """Return times and scaled values of the points after the burn-in, less these columns' part of the model."""
        model = fit.model
        kept = self.order[: self.sizes[model.burn_in]]
        places = [model.columns.index(column) for column in columns]
        part = self.design.values[kept][:, list(columns)] @ self.coefficients(fit)[places]
        return self.points.t_s[kept], self.value[kept] - part

    def _normal_equations(
        self, index: npt.NDArray[np.intp], size: int, which: npt.NDArray[np.intp]
    ) -> tuple[Numbers, Numbers, Numbers]:
        """Return X'X (with its ridge), X'y and y'y of models with p columns each, of so many points.

        ``index`` has the columns of i models, ``which`` j covariances: shapes (i, j, p, p), (i, j, p) and (1, j).
        """
        part = self.white[which[:, None], index[:, None], :size]
        inner = part @ np.swapaxes(part, -1, -2)
        diagonals = np.einsum("ijkk->ijk", inner)
        diagonals += RIDGE * np.maximum(diagonals, 1.0)
        right = (part @ self.white[which, -1, :size, None])[..., 0]
        return inner, right, self.squares[None, which, size - 1, -1]


def _burn_in_log_weights(
    burn_ins: tuple[BurnIn, ...], earliness: Numbers, value: Numbers, least_variance: float
) -> tuple[float, ...]:
    weights = []
    for length, burn_in in zip(BURN_IN_SHARES, burn_ins, strict=True):
        out = earliness < length
        prior = BURN_IN_LOG_ODDS + BURN_IN_LOG_ODDS_PER_RUN * length
        weights.append(prior + burn_in.log_evidence(value[out], least_variance) if out.any() else 0.0)
    return tuple(weights)


def _earliness(points: Points) -> Numbers:
    """Return the age of each point in shares of the longest life; where there are several, no later half is early."""
    lives, number = np.unique(points.life, return_inverse=True)
    own_s = np.array([points.age_s[number == k].max() for k in range(len(lives))])[number]
    late = points.age_s >= own_s / 2 if len(lives) > 1 else np.zeros(len(own_s), dtype=bool)
    return np.where(late, np.inf, points.age_s / max(float(own_s.max()), 1e-9))
