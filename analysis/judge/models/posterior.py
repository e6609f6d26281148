"""The posterior of the leak rate by Bayesian model averaging."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtr

from analysis.judge.models.fitting import ModelFit
from analysis.judge.types import Numbers

LIKELIHOOD_POWER: Final = 0.8
"""Power of each model's marginal likelihood: none is quite true, so none may outweigh the others as if it were."""
MIN_WEIGHT_SHARE: Final = 2e-4
"""Share of the whole weight below which a component is left out."""
BISECTIONS: Final = 30
"""Halvings of the bracket of a quantile."""


@dataclass(frozen=True, slots=True)
class RatePosterior:
    """A mixture of Student t distributions; arrays of one length, a component for each model and covariance."""

    weight: Numbers
    """Weights, which add up to 1."""
    rate: Numbers
    """Centres, in the fitter's unit."""
    error: Numbers
    """Scales: the standard errors."""
    dof: Numbers
    """Degrees of freedom."""

    @classmethod
    def average(cls, fits: Iterable[ModelFit]) -> RatePosterior:
        """Return the average of all fits by their weights (Hoeting, Madigan, Raftery and Volinsky 1999).

        The likelihood, not the prior, is raised to ``LIKELIHOOD_POWER``.
        """
        fits = tuple(fits)
        log_weight = np.concatenate(
            [
                fit.log_weights - (1 - LIKELIHOOD_POWER) * (fit.log_weight - fit.model.log_prior)
                for fit in fits
            ]
        )
        weight = np.exp(log_weight - log_weight.max())
        kept = weight > MIN_WEIGHT_SHARE * weight.sum()
        rate = np.concatenate([fit.rate for fit in fits])[kept]
        error = np.concatenate([fit.error for fit in fits])[kept]
        dof = np.concatenate([np.full(len(fit.rate), fit.dof) for fit in fits])[kept]
        return cls(weight[kept] / weight[kept].sum(), rate, error, dof)

    def cdf(self, rate: float) -> float:
        """Return the probability that the leak rate is below ``rate``."""
        return float((self.weight * stdtr(self.dof, (rate - self.rate) / self.error)).sum())

    def quantile(self, probability: float) -> float:
        """Return the rate below which the leak rate lies with this probability, by bisection."""
        mean = float((self.weight * self.rate).sum())
        spread = float(np.sqrt((self.weight * (self.error**2 + (self.rate - mean) ** 2)).sum()))
        low, high = mean - 4 * spread, mean + 4 * spread
        while self.cdf(low) > probability:
            low -= 8 * spread
        while self.cdf(high) < probability:
            high += 8 * spread
        for _ in range(BISECTIONS):
            half = (low + high) / 2
            if self.cdf(half) < probability:
                low = half
            else:
                high = half
        return (low + high) / 2
