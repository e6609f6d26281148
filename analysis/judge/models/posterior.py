"""The leak rate as an average over shapes and noises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtr

from analysis.judge.models.fitting import Fit
from analysis.judge.types import Numbers

TEMPER: Final = 0.8
"""Power of a shape's likelihood in the average: none is quite true, so none may outweigh the others as if it were."""
LEAST: Final = 2e-4
"""Weight below which a part of the average is left out."""


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
        log_weight = np.concatenate(
            [fit.log_weight - (1 - TEMPER) * (fit.total - fit.model.log_prior) for fit in fits]
        )
        weight = np.exp(log_weight - log_weight.max())
        keep = weight > LEAST * weight.sum()
        value = np.concatenate([fit.value for fit in fits])[keep]
        error = np.concatenate([fit.error for fit in fits])[keep]
        freedom = np.concatenate([np.full(len(fit.value), fit.freedom) for fit in fits])[keep]
        return cls(weight[keep] / weight[keep].sum(), value, error, freedom)

    def below(self, at: float) -> float:
        """Return the probability that the leak rate is below ``at``."""
        return float((self.weight * stdtr(self.freedom, (at - self.value) / self.error)).sum())

    def quantile(self, share: float) -> float:
        """Return the rate below which this share of the distribution lies, by bisection."""
        spread = float(np.sqrt((self.weight * (self.error**2 + (self.value - self.middle) ** 2)).sum()))
        low, high = self.middle - 4 * spread, self.middle + 4 * spread
        while self.below(low) > share:
            low -= 8 * spread
        while self.below(high) < share:
            high += 8 * spread
        for _ in range(30):
            half = (low + high) / 2
            if self.below(half) < share:
                low = half
            else:
                high = half
        return (low + high) / 2

    @property
    def middle(self) -> float:
        """The mean of its parts' centres."""
        return float((self.weight * self.value).sum())
