"""From the distribution of the leak rate to a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from analysis.judge.average import CUTS, Fit, Mixture, Weigher, explain
from analysis.judge.bins import Points
from analysis.judge.model import INCONCLUSIVE, LEAK, NO_LEAK, Numbers, Rate, Verdict
from analysis.judge.saturation import filling_odds
from analysis.judge.shapes import WARMUPS, Columns, columns

CLEARLY: Final = 0.1
"""The lower end of a leak's interval is above this share of the margin."""
RELEVANT: Final = 0.5
"""The rate of a leak is above this share of the margin."""
LATE: Final = 0.75
"""A step after this share of the run may be the first of many."""
MOSTLY: Final = 0.85
"""A rise of which one step from quarter to quarter makes up this share is an event, not a leak that goes on."""
MAY_BE: Final = 0.2
"""Weight from which a late step counts."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What the points say; rates per second, in the signal's unit."""

    rate: Rate
    verdict: Verdict
    why: str
    """One of ``leaks``, ``bounded``, ``fills``, ``late step``, ``between``, ``bursts``."""
    steady_from_s: float
    deviation: float
    """Spread of the points around the best shape, in the signal's unit."""


def decide(points: Points, margin_per_s: float, alpha: float, bounded: bool | None) -> Trend:
    """Return the trend of the points and its verdict."""
    return Case(points, margin_per_s).decide(points.value, alpha, bounded)


class Case:
    """The points of one signal, ready to be judged as they are or with a leak added."""

    def __init__(self, points: Points, margin_per_s: float) -> None:
        self.points = points
        self.margin = margin_per_s
        self.columns: Columns = columns(points)

    def decide(self, value: Numbers, alpha: float, bounded: bool | None) -> Trend:
        points, span_s = self.points, self.points.span_s
        flat = value - np.array([value[points.life == life].mean() for life in points.life])
        least = 0.003 * self.margin * span_s
        scale = max(float(flat.std()), least)
        weigher = Weigher(points, self.columns, flat / scale, self.margin * span_s / scale, least / scale)
        fits = explain(weigher)
        mixture = Mixture.of(fits)
        unit = scale / span_s
        low, high = (mixture.quantile(share) * unit for share in (alpha / 2, 1 - alpha / 2))
        middle = mixture.quantile(0.5) * unit
        rate = Rate(middle, low, high)
        best = max(fits, key=lambda fit: fit.total)
        steady = self._steady_from(best)
        deviation = scale * weigher.deviation(best.model)
        verdict, why = self._verdict(weigher, fits, rate, best, value, bounded)
        return Trend(rate, verdict, why, steady, deviation)

    def _verdict(
        self, weigher: Weigher, fits: tuple[Fit, ...], rate: Rate, best: Fit, value: Numbers, bounded: bool | None
    ) -> tuple[Verdict, str]:
        if rate.high < self.margin:
            if self._late_step(fits) > MAY_BE:
                return INCONCLUSIVE, "late step"
            return NO_LEAK, "bounded"
        if rate.low > CLEARLY * self.margin and rate.value > RELEVANT * self.margin:
            if not self._persists(weigher, best):
                return INCONCLUSIVE, "bursts"
            odds = filling_odds(weigher, fits)
            limit = {None: -1.0, True: 1.0, False: -12.0}[bounded]
            if odds > limit:
                return INCONCLUSIVE, "fills"
            return LEAK, "leaks"
        return INCONCLUSIVE, "between"

    def _persists(self, weigher: Weigher, best: Fit) -> bool:
        """Return whether the steady part rises over its four quarters, and none of them holds nearly all of the rise."""
        t_s, rest = weigher.leaking_part(best.model)
        order = np.argsort(t_s, kind="stable")
        levels = np.array([np.median(part) for part in np.array_split(rest[order], 4)])
        rises = np.diff(levels)
        return bool(levels[-1] > levels[0] and (rises > 0).sum() >= 2 and rises.max() < MOSTLY * rises.clip(0).sum())

    def _late_step(self, fits: tuple[Fit, ...]) -> float:
        totals = np.array([fit.total for fit in fits])
        weight = np.exp(totals - totals.max())
        late = np.array(
            [any(self.columns.step_at[step] > LATE for step in fit.model.steps) for fit in fits]
        )
        return float(weight[late].sum() / weight.sum())

    def _steady_from(self, best: Fit) -> float:
        model, columns = best.model, self.columns
        share = CUTS[model.cut]
        share = max([share, *(columns.knee_at[knee] for knee in model.knees)])
        for tau, warmup in zip(WARMUPS, columns.warmups, strict=False):
            if set(warmup) <= set(model.columns):
                share = max(share, min(3 * tau, 0.7))
        return float(self.points.t_s.min()) + share * self.points.span_s
