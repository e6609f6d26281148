"""The plain slope of each life while it is loaded, per hour and per request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.special import stdtrit

from analysis.judge.types import Numbers
from analysis.recording.model import Arm, Life, Phase
from analysis.recording.requests import answered_by

MIN_SLOPE_READINGS: Final = 10
"""Least number of readings for a slope; fewer make no useful interval."""


@dataclass(frozen=True, slots=True)
class Slope:
    """An ordinary least squares slope and its 95% interval, in the unit that its holder names.

    The interval is the textbook one, slope ± t(0.975, n-2) · standard error. It takes the errors for
    independent, which readings of memory are not: it is indicative, and too narrow.
    """

    value: float
    low: float
    high: float
    r_squared: float
    """Share of the variance of y that the line explains; 0 where y is constant."""

    @property
    def half(self) -> float:
        """Half of the interval."""
        return (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class LifeSlopes:
    """The slopes of one life over its part of the load; None where there are too few readings."""

    arm: str
    life: int
    readings: int
    requests: int
    """Requests answered well between the first and the last of these readings."""
    rss_bytes_per_hour: Slope | None
    rss_bytes_per_request: Slope | None
    live_blocks_per_request: Slope | None
    malloc_in_use_bytes_per_request: Slope | None
    sessions_open_per_request: Slope | None


def fit(x: Numbers, y: Numbers, least: int = MIN_SLOPE_READINGS) -> Slope | None:
    """Return the slope of ``y`` over ``x``, leaving out pairs that hold a NaN; None when fewer than ``least`` are left.

    ``least`` is 3 or more: two make a line without an interval.
    """
    good = np.isfinite(x) & np.isfinite(y)
    x, y = x[good], y[good]
    if len(x) < least or np.ptp(x) == 0:
        return None
    if np.ptp(y) == 0:
        return Slope(0.0, 0.0, 0.0, 0.0)  # its interval and its variance are nothing to divide by
    x = x - x.mean()  # far from 0 its column and that of ones would be alike
    # numpy's fit, because importing scipy.stats alone takes a second.
    line, covariance = np.polyfit(x, y, 1, cov=True)
    slope, half = float(line[0]), float(stdtrit(len(x) - 2, 0.975) * np.sqrt(covariance[0, 0]))
    if not np.isfinite(half):
        return None
    return Slope(slope, slope - half, slope + half, float(np.corrcoef(x, y)[0, 1] ** 2))


def life_slopes(arm: Arm, life: Life, stretch: Phase) -> LifeSlopes:
    """Return the slopes of one life within a stretch of the run."""
    mine = (arm.samples["life"] == life.number) & arm.samples["t_s"].between(stretch.start_s, stretch.end_s)
    t_s, rss, blocks, native, sessions = (
        arm.samples.loc[mine, name].to_numpy(float)  # by column: days of rows are not copied whole
        for name in ("t_s", "rss_bytes", "live_blocks", "malloc_in_use_bytes", "sessions_open")
    )
    done = answered_by(arm, t_s)
    return LifeSlopes(
        arm=arm.name,
        life=life.number,
        readings=int(np.isfinite(rss).sum()),
        requests=int(np.ptp(done)) if len(done) and not arm.requests.empty else 0,
        rss_bytes_per_hour=fit(t_s / 3600, rss),
        rss_bytes_per_request=fit(done, rss),
        live_blocks_per_request=fit(done, blocks),
        malloc_in_use_bytes_per_request=fit(done, native),
        sessions_open_per_request=fit(done, sessions),
    )


def slopes_of_lives(arms: tuple[Arm, ...], load: Phase | None) -> tuple[LifeSlopes, ...]:
    """Return the slopes of every life that saw load, arm by arm."""
    if load is None:
        return ()
    return tuple(
        life_slopes(arm, life, load)
        for arm in arms
        for life in arm.lives
        if life.start_s < load.end_s and life.end_s > load.start_s
    )
