"""The design matrix: every column of which a candidate model may be made, and what each column is for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.points.binning import Points
from analysis.judge.types import Numbers

WARM_UP_TAUS: Final = (0.015, 0.02, 0.03, 0.04, 0.055, 0.075, 0.1, 0.135, 0.18, 0.245, 0.33)
"""Time constants of an exponential warm-up, in shares of the longest life."""
WARM_UP_LOG_SCALES: Final = (0.003, 0.03)
"""Time scales of a logarithmic drift that may stand beside a leak, in shares of the longest life."""
CHANGE_POINTS: Final = (0.06, 0.12, 0.18, 0.25, 0.32, 0.4, 0.48, 0.56, 0.63, 0.7)
"""Places of a slope change point with which a model may start, in shares of the run; a tail of 30% is left to judge."""
FINE_CHANGE_POINTS: Final = tuple(float(at) for at in np.arange(0.03, 0.7, 0.022))
"""Further places of a slope change point, by which a model may only be refined, in shares of the run."""
SATURATION_TAUS: Final = tuple(float(tau) for tau in np.geomspace(0.2, 4, 25))
"""Time constants of what still fills at the end of the run, in shares of the longest life; close together, as under
little noise only the right one explains a fill better than a leak does."""
SATURATION_LOG_SCALES: Final = (0.003, 0.01, 0.03, 0.1, 0.2, 0.5)
"""Time scales of a logarithmic drift instead of a leak, in shares of the longest life."""
SATURATION_POWERS: Final = (0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Exponents of age: a cache by labels that are used as unevenly as words gains like a power of the requests for as long
as labels are missing (Heaps 1978). Set on the heavy-tailed fills of `make calibrate`."""
LOAD_CYCLES: Final = (2.0, 2.5, 3.1, 3.9, 4.8, 6.0, 7.5, 9.0, 11.0)
"""Periods of the load that the run may hold, where the request rate is not known: sine and cosine of each."""
DAY_S: Final = 86_400.0
DAY_HARMONICS: Final = 3
"""Harmonics of the day, of 24, 12 and 8 h, that an unknown load may have in a run of two days or more."""
MIN_POINTS_FOR_CYCLES: Final = 30
"""Points above which the cycles of an unknown load are tried."""
MIN_LOAD_VARIATION: Final = 0.05
"""Coefficient of variation of the request rate above which memory may follow the load."""
MIN_CLOCK_DIFFERENCE: Final = 0.02
"""Greatest distance of requests from time, in shares of the run, from which on requests are a clock of their own. Below
it they are one clock, and no rate is known better than by this share."""


@dataclass(frozen=True, slots=True)
class DesignMatrix:
    """The columns, shape (n, m) for n points; each other field holds the places of the columns of one kind."""

    values: Numbers
    """Columns are of the order of 1: the clocks run from 0 to 1 over the run."""
    intercepts: tuple[int, ...]
    """The level of each life."""
    clocks: tuple[int, ...]
    """Time, and cumulative requests where the rate varies: the columns of a leak."""
    load_sets: tuple[tuple[int, ...], ...]
    """Ways to follow the load: each load regressor, or where the load is not known sine and cosine of a cycle or of the
    day and its harmonics."""
    load_regressors: tuple[int, ...]
    """All load regressors, where the rate varies."""
    warm_ups: tuple[tuple[int, ...], ...]
    """By time constant, then by log scale; one column for the first life, one for those that began within the run."""
    warm_up_derivatives: tuple[int, ...]
    """By time constant: the derivative by it, which moves it between those of the grid; none beside a restart."""
    change_points: tuple[tuple[int, ...], ...]
    """By clock: its part after each slope change point."""
    change_point_at: tuple[float, ...]
    """Where the change points of each clock are, in shares of the run."""
    starts: tuple[bool, ...]
    """By change point: whether a model may start with it."""
    level_shifts: tuple[int, ...]
    """By place: a shift of the level until the end of its life."""
    level_shift_at: Numbers
    """Where the level shifts are, in shares of the run."""
    saturations: tuple[tuple[int, ...], ...]
    """Curves towards a plateau that the run does not reach, then drifts like a logarithm, then like a power; columns as
    of ``warm_ups``."""
    saturation_derivatives: tuple[int | None, ...]
    """By saturation: the derivative by its time constant or exponent; None of a logarithm."""

    @property
    def load(self) -> frozenset[int]:
        """All columns that follow the load."""
        return frozenset(self.load_regressors).union(*self.load_sets)


class _Columns:
    """The columns made so far."""

    def __init__(self, groups: Sequence[npt.NDArray[np.bool_]]) -> None:
        self.made: list[Numbers] = []
        self._groups = groups
        """The points of the first life, and those of all others where there are any."""

    def add(self, columns: Iterable[npt.ArrayLike]) -> tuple[int, ...]:
        """Add columns and return their places."""
        first = len(self.made)
        self.made += [np.asarray(column, dtype=np.float64) for column in columns]
        return tuple(range(first, len(self.made)))

    def add_by_group(self, shapes: Iterable[Numbers]) -> tuple[tuple[int, ...], ...]:
        """Add each shape as one column for each group, and return their places."""
        return tuple(self.add(np.where(group, shape, 0.0) for group in self._groups) for shape in shapes)


def build_design_matrix(points: Points, *, settled: bool) -> DesignMatrix:
    """Return the columns for the points; at ``settled`` quiesce points requests are always a clock of their own."""
    lives = np.unique(points.life)
    longest_s = max(float(np.ptp(points.t_s[points.life == life])) for life in lives)
    share = (points.t_s - points.t_s.min()) / points.span_s
    age = points.age_s / longest_s
    first = points.life == lives[0]
    columns = _Columns([first] if len(lives) == 1 else [first, ~first])
    intercepts = columns.add(points.life == life for life in lives)
    clock_values = _clock_values(points, share, settled=settled)
    clocks = columns.add(clock_values)
    load_regressors, load_sets = _load_columns(columns, points, share)
    warm_ups = columns.add_by_group(_curves(age, WARM_UP_TAUS, WARM_UP_LOG_SCALES))
    # Where lives are short, a slow warm-up that may bend is as good as a leak.
    warm_up_derivatives = () if len(lives) > 1 else columns.add(_derivatives(age, WARM_UP_TAUS))
    within_life = () if len(lives) == 1 else CHANGE_POINTS
    of_life = [np.maximum(age - at, 0.0) * longest_s / points.span_s for at in within_life]
    change_points = _change_point_columns(columns, clock_values, share, of_life)
    shifted = [k for k in range(2, len(share) - 2) if points.life[k - 2] == points.life[k + 2]]
    level_shifts = columns.add(
        (np.arange(len(share)) >= k) & (points.life == points.life[k]) for k in shifted
    )
    ages = [age]
    if len(clocks) > 1:
        began = np.array([clock_values[1][points.life == life].min() for life in points.life])
        ages.append((clock_values[1] - began) * points.span_s / longest_s)
    saturations, saturation_derivatives = _saturation_columns(columns, ages)
    return DesignMatrix(
        values=np.stack(columns.made, axis=1),
        intercepts=intercepts,
        clocks=clocks,
        load_sets=load_sets,
        load_regressors=load_regressors,
        warm_ups=warm_ups,
        warm_up_derivatives=warm_up_derivatives,
        change_points=change_points,
        change_point_at=(
            *CHANGE_POINTS,
            *FINE_CHANGE_POINTS,
            *(at * longest_s / points.span_s for at in within_life),
        ),
        starts=(
            *(True for _ in CHANGE_POINTS),
            *(False for _ in FINE_CHANGE_POINTS),
            *(True for _ in within_life),
        ),
        level_shifts=level_shifts,
        level_shift_at=share[shifted] if shifted else np.empty(0),
        saturations=saturations,
        saturation_derivatives=saturation_derivatives,
    )


def _load_columns(
    columns: _Columns, points: Points, share: Numbers
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Add what may follow the load; return the places of its regressors, and of each way to follow it."""
    if _load_varies(points):
        regressors = columns.add(points.load_regressors.T)
        return regressors, tuple((column,) for column in regressors)
    if _requests_known(points) or len(share) <= MIN_POINTS_FOR_CYCLES:
        return (), ()
    angles = (2 * np.pi * cycles * share for cycles in LOAD_CYCLES)
    sets = tuple(columns.add((np.sin(angle), np.cos(angle))) for angle in angles)
    if points.span_s >= 2 * DAY_S:
        turns = 2 * np.pi * points.t_s / DAY_S
        numbers = range(1, DAY_HARMONICS + 1)
        day = columns.add(wave(number * turns) for number in numbers for wave in (np.sin, np.cos))
        sets += tuple(day[: 2 * number] for number in numbers)
    return (), sets


def _change_point_columns(
    columns: _Columns, clock_values: Sequence[Numbers], share: Numbers, of_life: Sequence[Numbers]
) -> tuple[tuple[int, ...], ...]:
    """Add for each clock its part after each change point of the run, then ``of_life``; return the places by clock."""
    order = np.argsort(share, kind="stable")
    places = []
    for values in clock_values:
        at_run = (np.interp(at, share[order], values[order]) for at in (*CHANGE_POINTS, *FINE_CHANGE_POINTS))
        places.append(columns.add(np.maximum(values - begun, 0.0) for begun in at_run) + columns.add(of_life))
    return tuple(places)


def _saturation_columns(
    columns: _Columns, ages: Sequence[Numbers]
) -> tuple[tuple[tuple[int, ...], ...], tuple[int | None, ...]]:
    """Add for each age all saturations, then for each age all derivatives; return the places of both."""
    saturations = [one for age in ages for one in columns.add_by_group(_saturations(age))]
    derivatives: list[int | None] = []
    for age in ages:
        derivatives += columns.add(_derivatives(age, SATURATION_TAUS))
        derivatives += (None for _ in SATURATION_LOG_SCALES)
        derivatives += columns.add(age**power * np.log(np.maximum(age, 1e-9)) for power in SATURATION_POWERS)
    return tuple(saturations), tuple(derivatives)


def _requests_known(points: Points) -> bool:
    return bool(np.isfinite(points.requests).all())


def _load_varies(points: Points) -> bool:
    if not _requests_known(points) or np.ptp(points.requests) <= 0:
        return False
    return float((points.rate_rps / float(points.rate_rps.mean())).std()) > MIN_LOAD_VARIATION


def _clock_values(points: Points, share: Numbers, *, settled: bool) -> list[Numbers]:
    """Return time, and requests where they are a clock of their own, from 0 to about 1."""
    if not _requests_known(points) or np.ptp(points.requests) <= 0:
        return [share]
    # At the mean rate of the whole recording, so that a coefficient is what it leaks per second at that rate.
    served = (points.requests - points.requests.min()) / (points.mean_rps * points.span_s)
    differs = float(np.abs(served - share).max()) > MIN_CLOCK_DIFFERENCE
    return [share, served] if settled or differs else [share]


def _curves(age: Numbers, taus: tuple[float, ...], log_scales: tuple[float, ...]) -> list[Numbers]:
    """Return exp(-age / tau) for each time constant, then log(1 + age / scale) for each scale."""
    return [*(np.exp(-age / tau) for tau in taus), *(np.log1p(age / scale) for scale in log_scales)]


def _saturations(age: Numbers) -> list[Numbers]:
    """Return exponentials, logarithms, then powers of age."""
    powers = (age**power for power in SATURATION_POWERS)
    return [*_curves(age, SATURATION_TAUS, SATURATION_LOG_SCALES), *powers]


def _derivatives(age: Numbers, taus: tuple[float, ...]) -> list[Numbers]:
    """Return for each time constant the derivative of exp(-age / tau) by log(tau)."""
    return [age / tau * np.exp(-age / tau) for tau in taus]
