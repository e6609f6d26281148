"""A case: the points of one signal, the models that explain them, and the posterior of the leak rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.judge.centred import centred
from analysis.judge.models.design_matrix import (
    MIN_CLOCK_DIFFERENCE,
    WARM_UP_TAUS,
    DesignMatrix,
    build_design_matrix,
)
from analysis.judge.models.fitting import BURN_IN_SHARES, ModelFit, ModelFitter
from analysis.judge.models.posterior import RatePosterior
from analysis.judge.models.search import search_models
from analysis.judge.points.binning import Points
from analysis.judge.types import Numbers, Rate

BOUND_ERROR: Final = 0.05
"""Chance that the leak lies above the upper end of the interval, not divided among signals, as one alone clears an arm;
set on "NO LEAK of a leak of exactly the margin", whose goal is 5% at most."""
MIN_NOISE_SHARE: Final = 0.003
"""Least noise as a share of what the margin is over the run; set on the whole of `make calibrate`."""
SETTLED_TAUS: Final = 3.0
"""Time constants after which a warm-up is over."""
MAX_WARM_UP_SHARE: Final = 0.7
"""Share of the run up to which a warm-up moves the beginning of the trend."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a decision on one signal rests on."""

    points: Points
    margin_per_s: float
    """The leak that would matter, in the signal's unit per second."""
    alpha: float
    """Chance that the leak lies below the lower end of the interval."""
    bounded: bool | None
    """Whether a gauge of what the target keeps has stopped growing; None where that is not known."""
    fitter: ModelFitter
    fits: tuple[ModelFit, ...]
    """Every model that was fitted; all have a leak rate."""
    unit_per_s: float
    """The fitter's unit of a rate, in the signal's unit per second."""
    rate: Rate
    """Median and interval of the posterior, in the signal's unit per second."""

    @property
    def design(self) -> DesignMatrix:
        """The columns of the models."""
        return self.fitter.design

    @property
    def best(self) -> ModelFit:
        """The model of the greatest weight."""
        return max(self.fits, key=lambda fit: fit.log_weight)

    @property
    def weights(self) -> Numbers:
        """The weight of each model, as a share of the greatest."""
        log_weights = np.array([fit.log_weight for fit in self.fits])
        return np.asarray(np.exp(log_weights - log_weights.max()))

    def last_change_point(self) -> float:
        """Return where the best model's last slope change point is, in shares of the run; 0 without one."""
        return max((self.design.change_point_at[at] for at in self.best.model.change_points), default=0.0)

    def steady_from_s(self) -> float:
        """Return the time from which the best model is a trend alone: after burn-in, warm-up and change points."""
        model = self.best.model
        share = max(BURN_IN_SHARES[model.burn_in], self.last_change_point())
        for tau, warm_up in zip(WARM_UP_TAUS, self.design.warm_ups, strict=False):
            if set(warm_up) <= set(model.columns):
                share = max(share, min(SETTLED_TAUS * tau, MAX_WARM_UP_SHARE))
        return float(self.points.t_s.min()) + share * self.points.span_s


def fit_case(
    points: Points,
    margin_per_s: float,
    *,
    least_noise: float,
    alpha: float,
    bounded: bool | None,
    settled: bool,
    bound_error: float = BOUND_ERROR,
) -> Case:
    """Search the models of the points and average them.

    ``least_noise`` is the least standard deviation of a point, in the signal's unit; ``settled`` is whether the points
    are quiesce points. ``bound_error`` is the chance that the leak lies above the upper end of the interval.
    """
    around = centred(points.value, points.life)
    noise = max(least_noise, MIN_NOISE_SHARE * margin_per_s * points.span_s)
    scale = max(float(around.std()), noise)
    unit_per_s = scale / points.span_s
    design = build_design_matrix(points, settled=settled)
    fitter = ModelFitter.of(points, design, around / scale, margin_per_s / unit_per_s, noise / scale)
    fitter, fits = search_models(fitter)
    posterior = RatePosterior.average(fits)
    low, median, high = (posterior.quantile(at) * unit_per_s for at in (alpha, 0.5, 1 - bound_error))
    unsure = MIN_CLOCK_DIFFERENCE * abs(median)
    rate = Rate(median, min(low, median - unsure), max(high, median + unsure))
    return Case(points, margin_per_s, alpha, bounded, fitter, fits, unit_per_s, rate)
