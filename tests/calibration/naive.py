"""What is done today: the methods that the judge is measured beside, on the same recordings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri
from scipy.stats import linregress, rankdata, theilslopes

from analysis.judge.types import Numbers
from tests.calibration.simulator.noise import MIB

Method = Callable[[Numbers, Numbers], bool]

BINS: Final = 90
LINE: Final = "line, p<0.05"
SIGNIFICANT: Final = 0.05
RESAMPLES: Final = 100


def verdicts(frame: pd.DataFrame) -> dict[str, bool]:
    """Return for each method whether it calls a leak in RSS after the first tenth of the run.

    The line is fitted to every reading, as is done; the others, which look at pairs, to medians of 90 bins.
    """
    read = frame[["time_s", "rss_bytes"]].dropna()
    t_s, rss = read["time_s"].to_numpy(), read["rss_bytes"].to_numpy()
    after = t_s >= t_s[0] + 0.1 * (t_s[-1] - t_s[0])
    t_s, rss = t_s[after], rss[after]
    bins = np.floor((t_s - t_s[0]) / (t_s[-1] - t_s[0] + 1) * BINS).astype(int)
    medians = pd.DataFrame({"t_s": t_s, "rss": rss}).groupby(bins).median()
    x, y = medians["t_s"].to_numpy(), medians["rss"].to_numpy()
    called = {LINE: fitted_line(t_s, rss)}
    return called | {name: method(x, y) for name, method in METHODS.items()}


def fitted_line(t_s: Numbers, value: Numbers) -> bool:
    """A least-squares line rises with p < 0.05."""
    fit = linregress(t_s, value)
    return bool(fit.slope > 0 and fit.pvalue < SIGNIFICANT)


def mann_kendall(t_s: Numbers, value: Numbers) -> bool:
    """More pairs rise than fall, p < 0.05 with independent readings."""
    del t_s
    return _rises(*_pairs(value))


def hamed_rao(t_s: Numbers, value: Numbers) -> bool:
    """Mann-Kendall with its variance corrected for the significant autocorrelations of the ranks (1998, eq. 8)."""
    count = len(value)
    slope = theilslopes(value, t_s).slope
    ranks = rankdata(value - slope * t_s)
    ranks = ranks - ranks.mean()
    spread = float(ranks @ ranks)
    if spread == 0:
        return mann_kendall(t_s, value)
    lags = np.arange(1, count - 2)
    correlation = np.array([float(ranks[lag:] @ ranks[:-lag]) / spread for lag in lags])
    correlation[np.abs(correlation) < ndtri(1 - SIGNIFICANT / 2) / np.sqrt(count)] = 0
    weights = (count - lags) * (count - lags - 1.0) * (count - lags - 2.0)
    correction = 1 + 2 / (count * (count - 1) * (count - 2)) * float(weights @ correlation)
    total, variance = _pairs(value)
    return _rises(total, variance * max(correction, 1e-3))


def grew(t_s: Numbers, value: Numbers) -> bool:
    """The end is more than 10% and 20 MB above the beginning."""
    del t_s
    first, last = float(np.median(value[:6])), float(np.median(value[-6:]))
    return last > 1.1 * first and last - first > 20 * MIB


def theil_sen(t_s: Numbers, value: Numbers) -> bool:
    """The median of pairwise slopes is above zero in 97.5% of moving-block resamples of its residuals."""
    chance = np.random.default_rng(0)
    first, second = np.triu_indices(len(t_s), 1)
    apart = t_s[second] - t_s[first]
    slope = float(np.median((value[second] - value[first]) / apart))
    rest = value - slope * t_s
    block = max(2, round(len(t_s) ** 0.5))
    starts = chance.integers(0, len(t_s) - block + 1, (RESAMPLES, -(-len(t_s) // block)))
    places = (starts[:, :, None] + np.arange(block)).reshape(RESAMPLES, -1)[:, : len(t_s)]
    resampled = rest[places]
    errors = np.median((resampled[:, second] - resampled[:, first]) / apart, axis=1)
    return bool(slope - np.quantile(errors, 0.975) > 0)


METHODS: Final[dict[str, Method]] = {
    "Mann-Kendall": mann_kendall,
    "Hamed-Rao": hamed_rao,
    ">10%, >20 MB": grew,
    "Theil-Sen": theil_sen,
}


def _pairs(value: Numbers) -> tuple[float, float]:
    """Return Kendall's sum over pairs and its variance with ties."""
    count = len(value)
    total = float(np.sum(np.triu(np.sign(value[None, :] - value[:, None]), 1)))
    ties = np.unique(value, return_counts=True)[1].astype(float)
    variance = (count * (count - 1) * (2 * count + 5) - np.sum(ties * (ties - 1) * (2 * ties + 5))) / 18
    return total, float(variance)


def _rises(total: float, variance: float) -> bool:
    return total > 0 and variance > 0 and 2 * ndtr(-(total - 1) / np.sqrt(variance)) < SIGNIFICANT
