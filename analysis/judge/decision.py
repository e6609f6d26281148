"""From the distribution of the leak rate to a verdict."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from analysis.judge.models.design_matrix import APART, WARMUPS, columns
from analysis.judge.models.fitting import CUTS, Fit, Weigher
from analysis.judge.models.posterior import Mixture
from analysis.judge.models.saturation import filling_odds
from analysis.judge.models.search import MAX_STEPS, explain, shifts
from analysis.judge.points.binning import Points
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Rate, Verdict

Why = Literal[
    "leaks",
    "bounded",
    "fills",
    "late step",
    "little",
    "between",
    "bursts",
    "drops",
    "gauge",
    "load",
    "late",
    "rises",
    "falls",
    "restarts",
]

CLEARED: Final = 0.05
"""Chance that the leak lies above the interval's upper end; of any number of signals, as one alone clears an arm."""
CLEARLY: Final = 0.4
"""The lower end of a leak's interval is above this share of the margin; that of the whole run, of what is called."""
RELEVANT: Final = 0.5
"""The rate of a leak is above this share of the margin."""
FILLS: Final = 0.0
"""Log odds of filling against leaking above which a rise is not called a leak."""
LATE: Final = 0.75
"""A step after this share of the run may be the first of many."""
MAY_BE: Final = 0.2
"""Weight from which a late step counts."""
MATTERS: Final = 0.25
"""A late step counts when it is this share of what the margin is over the run."""
TAIL: Final = 0.3
"""Share of the run, its last, that has to be flat for a NO LEAK."""
MOSTLY: Final = 0.85
"""A rise of which one step from quarter to quarter makes up this share is an event, not a leak that goes on."""
WHOLE: Final = 0.45
"""A leak that is seen only after a longer beginning is left out rests on less than the run."""
SMALL: Final = 0.25
"""Share of the greatest fall below which another is none."""
MANY_LIVES: Final = 12
"""Of so many, each has eight points at most, and the shape of its warm-up is not known well."""
FEW: Final = 8
"""Points of fewer than these have no quarters worth comparing: at least half of their moves are upwards."""
LEAST: Final = 0.003
"""Noise below this share of what the margin is over the run is taken to be this."""


@dataclass(frozen=True, slots=True)
class Trend:
    """What the points say; rates per second, in the signal's unit."""

    rate: Rate
    verdict: Verdict
    why: Why
    steady_from_s: float


class Case:
    """The points of one signal with the shapes that explain them."""

    def __init__(
        self,
        points: Points,
        margin_per_s: float,
        least: float,
        little: float,
        alpha: float,
        bounded: bool | None,
        *,
        settled: bool,
    ) -> None:
        """Take the points, the margin per second, the judge's settings, and in the signal's unit two amounts.

        These are the least noise, and the growth below which a leak is not called.
        """
        self.points, self.margin, self.alpha, self.bounded = points, margin_per_s, alpha, bounded
        self.least_rate = little / points.span_s
        self.columns = columns(points, settled=settled)
        mean = {life: float(points.value[points.life == life].mean()) for life in np.unique(points.life)}
        flat = points.value - np.array([mean[life] for life in points.life])
        floor = max(least, LEAST * margin_per_s * points.span_s)
        scale = max(float(flat.std()), floor)
        self.unit = scale / points.span_s
        self.weigher = Weigher(points, self.columns, flat / scale, margin_per_s / self.unit, floor / scale)
        self.fits = explain(self.weigher)
        self.best = max(self.fits, key=lambda fit: fit.total)
        mixture = Mixture.of(self.fits)
        low, middle, high = (mixture.quantile(share) * self.unit for share in (alpha, 0.5, 1 - CLEARED))
        unsure = APART * abs(middle)
        self.rate = Rate(middle, min(low, middle - unsure), max(high, middle + unsure))

    def trend(self) -> Trend:
        """Return the verdict on the points as they are."""
        verdict, why = self._verdict()
        return Trend(self.rate, verdict, why, self._steady_from())

    def is_leak(self, rate: Rate) -> bool:
        """Return whether a rate is far enough from zero, and matters."""
        return rate.low > CLEARLY * self.margin and rate.value > RELEVANT * self.margin

    def fills(self) -> bool:
        """Return whether something that fills up explains the points as well as a leak does."""
        return filling_odds(self.weigher, self.fits) > FILLS

    def _verdict(self) -> tuple[Verdict, Why]:
        if self.rate.high < self.margin:
            return self._passed()
        if not self.is_leak(self.rate):
            return INCONCLUSIVE, "between"
        doubts: tuple[tuple[Why, Callable[[], bool]], ...] = (
            ("little", lambda: self.rate.value < self.least_rate),
            ("gauge", lambda: self.bounded is False),
            ("bursts", lambda: not self._persists()),
            ("drops", self._drops),
            ("load", lambda: not self._rises_without_knees()),
            ("late", lambda: not self.rises_as_a_whole()),
            ("restarts", self._warms_up_more),
            ("fills", self.fills),
        )
        for why, holds in doubts:
            if holds():
                return INCONCLUSIVE, why
        return LEAK, "leaks"

    def _passed(self) -> tuple[Verdict, Why]:
        """Return the verdict on a rate below the margin: its tail has to be flat and without a shift.

        Nothing falls for ever: what falls by more than a margin has a shape that is not known, and a leak beneath it
        would not be seen.
        """
        if self.rate.high < -self.margin:
            return INCONCLUSIVE, "falls"
        if self._tail_rate() >= self.margin:
            return INCONCLUSIVE, "rises"
        return (INCONCLUSIVE, "late step") if self._late_step() > MAY_BE else (NO_LEAK, "bounded")

    def _persists(self) -> bool:
        """Return whether the steady part rises over its quarters, and not nearly all of it at once."""
        model = self.best.model
        other = tuple(column for column in model.columns if column not in model.slope)
        t_s, rest = self.weigher.without(self.best, other)
        order = np.argsort(t_s, kind="stable")
        t_s, rest = t_s[order], rest[order]
        late = t_s >= self.points.t_s.min() + self._last_knee(self.best) * self.points.span_s
        if late.sum() < FEW:
            return bool((np.diff(rest[-FEW:]) > 0).mean() >= 0.5)
        levels = np.array([np.median(part) for part in np.array_split(rest[late], 4)])
        rises = np.diff(levels)
        return bool(
            (rises > 0).sum() >= 2 and rises.max() < MOSTLY * rises.clip(0).sum() and levels[-1] > levels[0]
        )

    def _drops(self) -> bool:
        """Return whether what is explained by a rise falls back by half of it or more, and not just once.

        Such is a sawtooth of too few cycles to have floors. After a cut one fall is enough: it may hide others. What
        falls before the leak begins is none of it, and beside one that is great a small one is no second.
        """
        model = self.best.model
        beta = self.weigher.coefficients(self.best)
        begins = max(CUTS[model.cut], self._last_knee(self.best))
        sizes = {
            place: float(beta[model.columns.index(self.columns.steps[place])])
            for place in model.steps
            if self.columns.step_at[place] > begins
        }
        falls = tuple(place for place, size in sizes.items() if size < SMALL * min(sizes.values()) < 0)
        if shifts(self.columns, falls) < (1 if model.cut else MAX_STEPS):
            return False
        return -sum(sizes.values()) > self.rate.value / self.unit * (1 - begins) / 2

    def _tail_rate(self) -> float:
        """Return how fast the best shape rises over the last part of the run, its warm-up included, per second.

        A tail that is not flat yet is not signed off on the word of a shape that says it will be.
        """
        columns, model = self.columns, self.best.model
        event = {*columns.levels, *columns.steps, *columns.loads}.union(*columns.rates)
        used = [place for place, column in enumerate(model.columns) if column not in event]
        beta = self.weigher.coefficients(self.best)[used]
        last = self._last_grown_up()
        t_s = self.points.t_s[last]
        first = int(np.searchsorted(t_s, t_s[-1] - TAIL * self.points.span_s))
        ends = columns.values[last[[first, -1]]][:, [model.columns[place] for place in used]] @ beta
        return float((ends[1] - ends[0]) / max(t_s[-1] - t_s[first], 1e-9)) * self.unit * self.points.span_s

    def _last_grown_up(self) -> npt.NDArray[np.intp]:
        """Return the places of the last life that lasted for as long as the part that has to be flat; else the longest.

        A process that was started a moment ago is warming up again, and shows that it does, not that it will go on.
        """
        lives = [np.flatnonzero(self.points.life == life) for life in np.unique(self.points.life)]
        lasted_s = [float(np.ptp(self.points.t_s[places])) for places in lives]
        enough_s = min(TAIL * self.points.span_s, max(lasted_s))
        grown_up = [places for places, life_s in zip(lives, lasted_s, strict=True) if life_s >= enough_s]
        return max(grown_up, key=lambda places: float(self.points.t_s[places[-1]]))

    def _rises_without_knees(self) -> bool:
        """Return whether a leak that rests on a knee beside a varying load is one without the knee, too.

        Where the load comes and goes but a few times, a knee bends to what of it the columns of the load leave over.
        """
        followed = set(self.columns.loads).union(*self.columns.rates)
        if not self.best.model.knees or not followed.intersection(self.best.model.columns):
            return True
        straight = tuple(fit for fit in self.fits if not fit.model.knees)
        return Mixture.of(straight).quantile(self.alpha) > 0

    def rises_as_a_whole(self, added: float = 0.0) -> bool:
        """Return whether a leak that is seen when most of the run is left out is one of the whole run, too.

        What is left may be the last rise of a wave. ``added`` is a rate per second that every shape is given.
        """
        if CUTS[self.best.model.cut] <= WHOLE:
            return True
        whole = tuple(fit for fit in self.fits if not fit.model.knees and CUTS[fit.model.cut] <= WHOLE)
        low = Mixture.of(whole).quantile(self.alpha) * self.unit
        return low + added > max(0.0, CLEARLY * (self.rate.low + added))

    def _warms_up_more(self) -> bool:
        """Return whether the lives are many, and the longest gains more beside the leak than by it.

        What the warm-up's shape leaves over is then the same in every life, and looks like a leak.
        """
        if len(self.columns.levels) < MANY_LIVES:
            return False
        lives = [np.flatnonzero(self.points.life == life) for life in np.unique(self.points.life)]
        ends = max(lives, key=lambda places: float(np.ptp(self.points.t_s[places])))[[0, -1]]
        leaked = self.rate.value * float(np.ptp(self.points.t_s[ends]))
        return float(np.diff(self.points.value[ends])[0]) > 2 * leaked

    def _late_step(self) -> float:
        """Return the weight of the shapes with a step upwards, late in the run, that matters."""
        totals = np.array([fit.total for fit in self.fits])
        weight = np.exp(totals - totals.max())
        matters = MATTERS * self.margin / self.unit
        late = np.array(
            [weight[k] > 0.01 and self._has_late_step(fit, matters) for k, fit in enumerate(self.fits)]
        )
        return float(weight[late].sum() / weight.sum())

    def _has_late_step(self, fit: Fit, matters: float) -> bool:
        late = [step for step in fit.model.steps if self.columns.step_at[step] > LATE]
        if not late:
            return False
        beta = self.weigher.coefficients(fit)
        shift = sum(float(beta[fit.model.columns.index(self.columns.steps[step])]) for step in late)
        return shift > matters

    def _last_knee(self, fit: Fit) -> float:
        return max((self.columns.knee_at[knee] for knee in fit.model.knees), default=0.0)

    def _steady_from(self) -> float:
        model = self.best.model
        share = max(CUTS[model.cut], self._last_knee(self.best))
        for tau, warmup in zip(WARMUPS, self.columns.warmups, strict=False):
            if set(warmup) <= set(model.columns):
                share = max(share, min(3 * tau, 0.7))
        return float(self.points.t_s.min()) + share * self.points.span_s
