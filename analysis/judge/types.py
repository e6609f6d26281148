"""What goes into the judge and what comes out."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from soak.contract import live

ARENA_BYTES: Final = 2.0**20
"""Bytes that Python's allocator takes at a time (since 3.10), and any process may take now and then."""

Numbers = npt.NDArray[np.float64]
T = TypeVar("T")
Verdict = live.Verdict

LEAK: Final = live.LEAK
NO_LEAK: Final = live.NO_LEAK
INCONCLUSIVE: Final = live.INCONCLUSIVE


class ReasonCode(StrEnum):
    """Why a judgement has its verdict; ``analysis.judge.reasons`` has the sentence of each."""

    LEAKING = "leaking"
    BOUNDED = "bounded"
    WIDE_INTERVAL = "wide_interval"
    FALLING = "falling"
    RISING_TAIL = "rising_tail"
    LATE_LEVEL_SHIFT = "late_level_shift"
    GROWING_GAUGE = "growing_gauge"
    ONE_STEP = "one_step"
    FALLS_BACK = "falls_back"
    VARYING_LOAD = "varying_load"
    LATE_RISE = "late_rise"
    MANY_RESTARTS = "many_restarts"
    UNKNOWN_LOAD = "unknown_load"
    SHORT_LIVES = "short_lives"
    ONE_LIFE = "one_life"
    SATURATION = "saturation"
    FILLING_PART = "filling_part"
    RESERVE = "reserve"
    UNCONFIRMED_FREE = "unconfirmed_free"
    CONTRADICTED_FREE = "contradicted_free"
    CLOSED_BY_DRAIN = "closed_by_drain"
    NO_MARGIN = "no_margin"
    NO_READINGS = "no_readings"
    TIME_BACKWARDS = "time_backwards"
    IMPLAUSIBLE_READINGS = "implausible_readings"
    FEW_READINGS = "few_readings"
    FEW_QUIESCE_POINTS = "few_quiesce_points"
    NO_REQUESTS = "no_requests"

    @property
    def verdict(self) -> Verdict:
        """The verdict that it is a reason for."""
        if self is ReasonCode.LEAKING:
            return LEAK
        return NO_LEAK if self is ReasonCode.BOUNDED else INCONCLUSIVE


@dataclass(frozen=True, slots=True)
class SignalSeries:
    """The readings of one signal of one arm over all its lives; arrays of one length, in the order of reading."""

    signal: str
    """Its column, or the name of what was computed from columns: ``rss_bytes``, ``live_bytes``."""
    t_s: Numbers
    """Seconds since the run's start."""
    value: Numbers
    """In the signal's unit; NaN where it was not read."""
    life: Numbers
    """Number of the process between two restarts; counts and levels of one life are independent of another's."""
    requests: Numbers
    """Requests answered since the start of the recording, over all lives; NaN where that is not known."""
    settled: bool = False
    """Whether it was read at quiesce points: drained and collected, so that only what is retained is in it."""
    quantum: float = 0.0
    """Least amount by which it changes, in the signal's unit, where that is more than noise: an arena for memory read
    from outside, of which nobody can say what is free. 0 where every change is read."""

    def at(self, places: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> SignalSeries:
        """Return the readings at these places alone; ``places`` are numbers, or one truth value per reading."""
        return replace(
            self,
            t_s=self.t_s[places],
            value=self.value[places],
            life=self.life[places],
            requests=self.requests[places],
        )


@dataclass(frozen=True, slots=True)
class Margin:
    """The leak that would matter, in the signal's unit: per second or per request, exactly one of the two."""

    per_s: float | None = None
    per_request: float | None = None

    @property
    def amount(self) -> float | None:
        """The leak by its own clock; None where there is no margin."""
        return self.of(self.per_s, self.per_request)

    def of(self, per_s: T, per_request: T) -> T:
        """Return what is by the clock of the margin."""
        return per_s if self.per_request is None else per_request

    def scaled(self, by: float) -> Margin:
        """Return so many times the leak."""
        return Margin(
            per_s=None if self.per_s is None else self.per_s * by,
            per_request=None if self.per_request is None else self.per_request * by,
        )


@dataclass(frozen=True, slots=True)
class Rate:
    """A leak rate and its interval, in the signal's unit per second or per request.

    The leak lies above the upper end with a chance of 5%, below the lower end with one of 2.5% or less.
    """

    value: float
    low: float
    high: float

    def scaled(self, by: float) -> Rate:
        """Return the rate in another unit."""
        return Rate(self.value * by, self.low * by, self.high * by)

    def __add__(self, other: Rate) -> Rate:
        """Return the sum of two independent rates: the distances of their ends add up in quadrature (JCGM 100, 5.1)."""
        value = self.value + other.value
        low = math.hypot(self.value - self.low, other.value - other.low)
        return Rate(value, value - low, value + math.hypot(self.high - self.value, other.high - other.value))

    def __neg__(self) -> Rate:
        """Return the rate of what falls where this rises, so that ``a + -b`` is by how much ``a`` exceeds ``b``."""
        return Rate(-self.value, -self.high, -self.low)


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when something may happen, seconds after the last reading; ``high`` is inf for perhaps never."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one signal and its grounds; None where it could not be computed."""

    signal: str
    verdict: Verdict
    reason: str
    """One sentence, without a full stop: why, in numbers. It ends with ``more_s`` where that is known."""
    per_s: Rate | None = None
    per_request: Rate | None = None
    detectable_per_s: float | None = None
    """The minimum detectable leak: the smallest that, added to these very readings, is called a leak."""
    detectable_per_request: float | None = None
    oom: Window | None = None
    """When the memory limit would be met, with the end level uncertain; of a rate above zero, with a limit known."""
    more_s: float | None = None
    """How many more seconds of the same load would decide; of an inconclusive verdict."""
    steady_from_s: float | None = None
    """``t_s`` from which the trend was taken: the end of the fitted warm-up."""
    reason_code: ReasonCode | None = None
    """The reason for programs, so that none depends on the sentence; None of a judgement by another judge."""
