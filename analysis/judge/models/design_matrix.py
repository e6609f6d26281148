"""The shapes that healthy and leaking memory takes, as columns of a linear model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.points.binning import Points
from analysis.judge.types import Numbers

WARMUPS: Final = (0.015, 0.02, 0.03, 0.04, 0.055, 0.075, 0.1, 0.135, 0.18, 0.245, 0.33)
"""Time constants of a warm-up beside a slope, in shares of the longest life."""
KNEES: Final = (0.06, 0.12, 0.18, 0.25, 0.32, 0.4, 0.48, 0.56, 0.63, 0.7)
"""Where a fill may end or a leak begin, in shares of the run; a tail of 30% is left to judge."""
FINE_KNEES: Final = tuple(float(knee) for knee in np.arange(0.03, 0.7, 0.022))
"""The same, for refinement."""
FILLINGS: Final = tuple(float(tau) for tau in np.geomspace(0.2, 4, 25))
"""Time constants of what still fills at the end of the run, in shares of the longest life; close together, as a fill of
which little is noise is told from a leak only by the one that is its own."""
CREEPS: Final = (0.003, 0.01, 0.03, 0.1, 0.2, 0.5)
"""Time scales of a logarithmic creep, in the same shares."""
SLOW_CREEPS: Final = (0.003, 0.03)
"""Those of them that may stand beside a leak."""
CYCLES: Final = (2.0, 2.5, 3.1, 3.9, 4.8, 6.0, 7.5, 9.0, 11.0)
"""How many days and nights of the load the run may hold where the request rate is not known."""
VARIES: Final = 0.05
"""A request rate whose spread is above this share of its mean may move memory."""
APART: Final = 0.02
"""Share of the run by which requests and time must part for requests to be a clock of their own. Nearer than that they
are one clock, and no rate is known better."""


@dataclass(frozen=True, slots=True)
class Columns:
    """All columns that models are made of, shape (n, m), and what each is for."""

    values: Numbers
    """Columns are of the order of 1: the clocks run from 0 to 1 over the run."""
    levels: tuple[int, ...]
    """A level for each life."""
    clocks: tuple[int, ...]
    """Time, and cumulative requests where the rate varies."""
    rates: tuple[tuple[int, ...], ...]
    """What moves memory with the load: the request rate, or waves where it is not known."""
    loads: tuple[int, ...]
    """Each way in which memory may follow the load, where the rate varies."""
    warmups: tuple[tuple[int, ...], ...]
    """By time constant, then two creeps; one column for the first life, one for those that began within the run."""
    bends: tuple[int, ...]
    """For each time constant of a warm-up what moves it to those beside it, its derivative; none beside a restart."""
    knees: tuple[tuple[int, ...], ...]
    """For each clock: the part of the clock after each knee."""
    knee_at: tuple[float, ...]
    """Where the knees of each clock are, in shares of the run."""
    coarse: tuple[bool, ...]
    """Which of them a shape may start with; the others are only for refinement."""
    steps: tuple[int, ...]
    """One for each place where a level may shift until the end of its life."""
    step_at: Numbers
    """Where each of them is, in shares of the run."""
    fillings: tuple[tuple[int, ...], ...]
    """Shapes that end in a plateau which the run has not reached, or slow down for ever."""
    filling_bends: tuple[int | None, ...]
    """For each of them the same as for a warm-up; None for a logarithm."""


def columns(points: Points, *, settled: bool) -> Columns:
    """Return the columns for the points; for exact, ``settled`` ones requests are always a clock of their own."""
    made: list[Numbers] = []

    def add(column: npt.ArrayLike) -> int:
        made.append(np.asarray(column, dtype=np.float64))
        return len(made) - 1

    lives = np.unique(points.life)
    length_s = max(float(np.ptp(points.t_s[points.life == life])) for life in lives)
    share = (points.t_s - points.t_s.min()) / points.span_s
    age = points.age_s / length_s
    levels = tuple(add(points.life == life) for life in lives)
    clocks, clock_values = [add(share)], [share]
    rates: list[tuple[int, ...]] = []
    loads: list[int] = []
    known = bool(np.isfinite(points.requests).all())
    total = float(np.ptp(points.requests)) if known else 0.0
    if total > 0:
        # At the mean rate of the whole recording, so that a coefficient is what it leaks per second at that rate.
        served = (points.requests - points.requests.min()) / (points.mean_rps * points.span_s)
        if settled or float(np.abs(served - share).max()) > APART:
            clocks.append(add(served))
            clock_values.append(served)
        if float((points.rate_rps / float(points.rate_rps.mean())).std()) > VARIES:
            loads = [add(column) for column in points.loads.T]
            rates = [(column,) for column in loads]
    elif not known and len(share) > 30:
        for cycles in CYCLES:
            angle = 2 * np.pi * cycles * share
            rates.append((add(np.sin(angle)), add(np.cos(angle))))
    first = points.life == lives[0]
    groups = [first] if len(lives) == 1 else [first, ~first]
    beginnings = [*(np.exp(-age / tau) for tau in WARMUPS), *(np.log1p(age / tau) for tau in SLOW_CREEPS)]
    warmups = tuple(tuple(add(np.where(group, shape, 0.0)) for group in groups) for shape in beginnings)
    # Where lives are short, a slow warm-up that may bend is as good as a leak.
    bends = () if len(lives) > 1 else tuple(add(age / tau * np.exp(-age / tau)) for tau in WARMUPS)
    order = np.argsort(share, kind="stable")
    places = [*KNEES, *FINE_KNEES]
    knees = []
    for values in clock_values:
        own = [add(np.maximum(values - np.interp(knee, share[order], values[order]), 0.0)) for knee in places]
        if len(lives) > 1:
            own += [add(np.maximum(age - knee, 0.0) * length_s / points.span_s) for knee in KNEES]
        knees.append(tuple(own))
    later = () if len(lives) == 1 else tuple(knee * length_s / points.span_s for knee in KNEES)
    at = [k for k in range(2, len(share) - 2) if points.life[k - 2] == points.life[k + 2]]
    steps = tuple(add((np.arange(len(share)) >= k) & (points.life == points.life[k])) for k in at)
    ages = [age]
    if len(clocks) > 1:
        began = np.array([clock_values[1][points.life == life].min() for life in points.life])
        ages.append((clock_values[1] - began) * points.span_s / length_s)
    fillings = tuple(
        tuple(add(np.where(group, shape, 0.0)) for group in groups)
        for since in ages
        for shape in (*(np.exp(-since / tau) for tau in FILLINGS), *(np.log1p(since / tau) for tau in CREEPS))
    )
    filling_bends = tuple(
        bend
        for since in ages
        for bend in (*(add(since / tau * np.exp(-since / tau)) for tau in FILLINGS), *(None for _ in CREEPS))
    )
    return Columns(
        values=np.stack(made, axis=1),
        levels=levels,
        clocks=tuple(clocks),
        rates=tuple(rates),
        loads=tuple(loads),
        warmups=warmups,
        bends=bends,
        knees=tuple(knees),
        knee_at=(*places, *later),
        coarse=(*(True for _ in KNEES), *(False for _ in FINE_KNEES), *(True for _ in later)),
        steps=steps,
        step_at=share[at] if at else np.empty(0),
        fillings=fillings,
        filling_bends=filling_bends,
    )
