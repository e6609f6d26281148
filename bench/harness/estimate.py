"""A measured value with its interval, and whether a goal is met."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import stdtrit

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Estimate:
    """A geometric mean and the ends of its 95% interval, in the unit of the values."""

    middle: float
    low: float
    high: float


class Verdict(StrEnum):
    """Whether the interval meets the goal."""

    MET = "met"
    OPEN = "open"
    """The interval holds values on both sides: more or quieter rounds would tell."""
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Goal:
    """A value to reach, or not to exceed."""

    value: float
    at_least: bool

    def judge(self, measured: Estimate) -> Verdict:
        """Return met or missed where the whole interval lies on one side of the value, else open."""
        good, bad = (measured.low, measured.high) if self.at_least else (measured.high, measured.low)
        if self._reached(good):
            return Verdict.MET
        return Verdict.OPEN if self._reached(bad) else Verdict.MISSED

    def _reached(self, value: float) -> bool:
        return value >= self.value if self.at_least else value <= self.value


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the result: what was measured, its goal, and what came out."""

    name: str
    goal: Goal
    unit: str
    measured: Estimate

    @property
    def verdict(self) -> Verdict:
        """Whether the interval meets the goal."""
        return self.goal.judge(self.measured)


def estimate(values: Sequence[float]) -> Estimate:
    """Return the geometric mean of ``values`` with its 95% interval: Student's t on their logarithms.

    Pass ratios of measurements that were made next to each other, so that what slows the machine slows both.
    Raises ValueError for fewer than two values, or for one that is not above 0.
    """
    if len(values) < 2 or min(values) <= 0:
        raise ValueError(f"an interval needs two or more values above 0, got {list(values)}")
    logs = np.log(values)
    middle = float(logs.mean())
    quantile = float(stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2))
    half = quantile * float(logs.std(ddof=1)) / math.sqrt(len(logs))
    return Estimate(math.exp(middle), math.exp(middle - half), math.exp(middle + half))


def exactly(value: float) -> Estimate:
    """Return a value that is known exactly."""
    return Estimate(value, value, value)


def ratios(these: Sequence[float], others: Sequence[float]) -> list[float]:
    """Return this over other, round by round."""
    return [this / other for this, other in zip(these, others, strict=True)]
