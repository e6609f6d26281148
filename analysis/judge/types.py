"""What goes into the judge and what comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]
Verdict = Literal["leak", "no_leak", "inconclusive"]

LEAK: Final = "leak"
NO_LEAK: Final = "no_leak"
INCONCLUSIVE: Final = "inconclusive"


@dataclass(frozen=True, slots=True)
class SignalSeries:
    """One signal of one arm over all its lives; arrays of one length, in the order in which they were read."""

    signal: str
    """Its column, or the name of what was computed from columns: ``rss_bytes``, ``live_bytes``."""
    t_s: Numbers
    """Seconds since the run's start."""
    value: Numbers
    """In the signal's unit; NaN where it was not read."""
    life: Numbers
    """Which process between restarts; the cumulative counts and levels of one life say nothing of another's."""
    requests: Numbers
    """Requests answered since the start of the recording, over all lives; NaN where that is not known."""
    settled: bool = False
    """Read at quiesce points: drained and collected, so only what is kept is left in it."""


@dataclass(frozen=True, slots=True)
class Margin:
    """The leak that would matter, in the signal's unit: per second or per request, exactly one of the two."""

    per_s: float | None = None
    per_request: float | None = None


@dataclass(frozen=True, slots=True)
class Rate:
    """A leak rate and its interval, in the signal's unit per second or per request.

    The leak lies above the upper end with a chance of 5%, below the lower end with one of 2.5% or less.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Window:
    """From when to when something may happen, seconds after the last reading; ``high`` is inf for perhaps never."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on one signal, and what it rests on; None where it could not be computed."""

    signal: str
    verdict: Verdict
    reason: str
    """One sentence, without a full stop: why, in numbers; of an inconclusive one also what would decide it."""
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
