"""Judge one signal: clean its readings, bin them, fit models, decide."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from analysis.judge.case import BOUND_ERROR, Case, fit_case
from analysis.judge.decision import MAX_LEFT_OUT_SHARE, MIN_LEAK_SHARE, decide, grows
from analysis.judge.minimum_detectable import minimum_detectable_rate
from analysis.judge.one_life import growing_lives
from analysis.judge.points.binning import Points, bin_series, clean_series, is_plausible
from analysis.judge.reasons import reason_sentence, unusable_sentence
from analysis.judge.types import (
    INCONCLUSIVE,
    Judgement,
    Margin,
    Rate,
    ReasonCode,
    SignalSeries,
    Window,
)
from soak.contract.evidence import MIN_QUIESCE_POINTS, MIN_READINGS_UNDER_LOAD

MIN_POINTS_UNDER_LOAD: Final = 5
"""Points of a signal under load, bins or minima of a sawtooth, from which on it is judged."""
MAX_IMPLAUSIBLE_SHARE: Final = 0.2
"""Implausible values, as a share of those that were read, above which the others are not to be trusted either."""
MIN_NOISE_BYTES: Final = 4096.0
"""Least noise of a byte signal at quiesce points, a page; under load, where the kernel counts, it is two."""
MIN_NOISE_COUNT: Final = 0.5
"""Least noise of a count."""
END_SHARE: Final = 0.3
"""Last share of the last life from which the level at the end is taken."""
MIN_DECISION_SHARE: Final = 0.1
"""Share of the margin that the interval is taken to have to shrink to, at the least, before it decides."""
MIN_MORE_SHARE: Final = 0.5
"""Share of the run by which one that was not long enough should have been longer, at the least."""


def judge_signal(
    readings: SignalSeries,
    margin: Margin,
    *,
    limit_bytes: float | None = None,
    alpha: float = 0.025,
    bound_error: float = BOUND_ERROR,
    bounded: bool | None = None,
    detectable: bool = True,
) -> Judgement:
    """Return the verdict on one signal; whatever is wrong with the readings is INCONCLUSIVE with its reason.

    ``limit_bytes`` is where the signal would end in an OOM kill. ``alpha`` is the chance that the leak lies below the
    interval's lower end; for several signals or interim looks the caller divides it among them (alpha spending).
    ``bound_error`` is the chance that it lies above the upper end, which is not divided.
    ``bounded`` is the state of a gauge of what the target keeps: False while it grows, so that growth of memory is not
    yet a leak; True once it has stopped; None where nothing is known. ``detectable`` is whether to compute the minimum
    detectable leak, which takes as long again.
    """
    if (unusable := _unusable(readings, margin)) is not None:
        return unusable_judgement(readings.signal, *unusable)
    series = clean_series(readings)
    points = bin_series(series)
    if (unusable := _too_few(series, points)) is not None:
        return unusable_judgement(readings.signal, *unusable)
    mean_rps = _mean_rps(points)
    if margin.per_s is None and mean_rps <= 0:
        return unusable_judgement(readings.signal, ReasonCode.NO_REQUESTS)

    def fitted(series: SignalSeries, points: Points, tries: int = 1) -> Case:
        return fit_case(
            points,
            _margin_per_s(margin, points),
            least_noise=max(_reading_noise(series), staircase_noise(points, series.quantum)),
            alpha=alpha / tries,
            bounded=bounded,
            settled=series.settled,
            bound_error=bound_error,
        )

    case = fitted(series, points)
    code, rate, margin_per_s = decide(case), case.rate, case.margin_per_s
    said, said_rps, is_over = rate, mean_rps, False
    if code is ReasonCode.BOUNDED:
        growing = list(_growing_lives(series, points, margin))
        for alone in (fitted(*one, tries=len(growing)) for one in growing):
            if grows(alone):
                code, said, said_rps = ReasonCode.ONE_LIFE, alone.rate, _mean_rps(alone.points)
                is_over = alone.points.t_s.max() < points.t_s.max()
                break
    is_open = code.verdict == INCONCLUSIVE and not is_over  # of a life that is over, no more load tells more
    more_s = _more_s(code, rate, margin_per_s, points.span_s) if is_open else None
    detectable = detectable and code is not ReasonCode.UNKNOWN_LOAD  # no leak is called beside such a change
    smallest = minimum_detectable_rate(case) if detectable else None
    reason_rps = said_rps if margin.per_request is not None else None
    return Judgement(
        signal=readings.signal,
        verdict=code.verdict,
        reason=reason_sentence(code, said, readings.signal, margin_per_s, mean_rps=reason_rps, more_s=more_s),
        per_s=rate,
        per_request=rate.scaled(1 / mean_rps) if mean_rps > 0 else None,
        detectable_per_s=smallest,
        detectable_per_request=smallest / mean_rps if smallest is not None and mean_rps > 0 else None,
        oom=oom_window(series, rate, limit_bytes) if limit_bytes and rate.low > 0 else None,
        more_s=more_s,
        steady_from_s=case.steady_from_s(),
        reason_code=code,
    )


def unusable_judgement(signal: str, code: ReasonCode, count: int = 0) -> Judgement:
    """Return INCONCLUSIVE for readings that cannot be judged; ``count`` is the number of those in question."""
    return Judgement(signal, INCONCLUSIVE, unusable_sentence(code, count), reason_code=code)


def _unusable(readings: SignalSeries, margin: Margin) -> tuple[ReasonCode, int] | None:
    """Return what forbids any judgement, and of how many values; None when nothing does."""
    given = margin.per_s if margin.per_s is not None else margin.per_request
    if given is None or not np.isfinite(given) or given <= 0:
        return ReasonCode.NO_MARGIN, 0
    t_s, life, value = (
        np.asarray(part, dtype=np.float64) for part in (readings.t_s, readings.life, readings.value)
    )
    read = np.isfinite(value) & np.isfinite(t_s) & np.isfinite(life)
    if not read.any():
        return ReasonCode.NO_READINGS, 0
    for one in np.unique(life[read]):
        if (np.diff(t_s[read & (life == one)]) < 0).any():
            return ReasonCode.TIME_BACKWARDS, 0
    implausible = int((np.isfinite(t_s) & ~is_plausible(value) & ~np.isnan(value)).sum())
    if implausible > MAX_IMPLAUSIBLE_SHARE * int(read.sum()):
        return ReasonCode.IMPLAUSIBLE_READINGS, implausible
    return None


def _too_few(series: SignalSeries, points: Points) -> tuple[ReasonCode, int] | None:
    """Return that there is too little to judge, and how much there is; None when there is enough."""
    count, settled = len(points.t_s), series.settled
    enough = count >= (MIN_QUIESCE_POINTS if settled else MIN_POINTS_UNDER_LOAD) and points.span_s > 0
    if enough and (settled or len(series.t_s) >= MIN_READINGS_UNDER_LOAD):
        return None
    if points.left_out > MAX_LEFT_OUT_SHARE and len(np.unique(series.life)) > 1:
        return ReasonCode.SHORT_LIVES, count
    code = ReasonCode.FEW_QUIESCE_POINTS if settled else ReasonCode.FEW_READINGS
    return code, min(len(series.t_s), count)


def _mean_rps(points: Points) -> float:
    """Return the requests per second; 0 where they are not known."""
    return points.mean_rps if np.isfinite(points.requests).all() else 0.0


def _margin_per_s(margin: Margin, points: Points) -> float:
    """Return the margin per second, of one per request at the mean rate of these points."""
    return margin.per_s if margin.per_s is not None else (margin.per_request or 0.0) * _mean_rps(points)


def _growing_lives(
    series: SignalSeries, points: Points, margin: Margin
) -> Iterator[tuple[SignalSeries, Points]]:
    """Return each life by itself that may grow and is long enough to be judged, the newest first."""
    for life in growing_lives(points, _margin_per_s(margin, points)):
        alone = series.at(series.life == life)
        found = bin_series(alone)
        if not _too_few(alone, found) and _margin_per_s(margin, found) > 0:
            yield alone, found


def _reading_noise(series: SignalSeries) -> float:
    """Return the least noise of one reading, in the signal's unit."""
    if not series.signal.endswith("bytes"):
        return MIN_NOISE_COUNT
    return MIN_NOISE_BYTES if series.settled else 2 * MIN_NOISE_BYTES


def staircase_noise(points: Points, quantum: float) -> float:
    """Return the noise of a point of a signal that rises in steps of ``quantum``, in the signal's unit.

    The error of a reading rounded to a step q has the standard deviation q / sqrt(12) (Bennett 1948). It is one and the
    same along a step, so the n points hold only K independent errors, K being their range in steps, at least 1 in each
    life. For the mean of n points to be as uncertain as that of K, each needs a noise of q / sqrt(12) * sqrt(n / K);
    noise of q / sqrt(12) would average away.
    """
    ranges = [float(np.ptp(points.value[points.life == life])) for life in np.unique(points.life)]
    if quantum <= 0:
        return 0.0
    steps = min(sum(max(1.0, each / quantum) for each in ranges), len(points.value))
    return quantum * float(np.sqrt(len(points.value) / (12 * steps)))


def _more_s(code: ReasonCode, rate: Rate, margin_per_s: float, span_s: float) -> float | None:
    """Return how much longer the run should have been: an interval shrinks about as fast as a run grows.

    Half of it has to become as narrow as the distance from the rate to the nearer of what would decide.
    """
    if code in {ReasonCode.GROWING_GAUGE, ReasonCode.UNKNOWN_LOAD, ReasonCode.SHORT_LIVES}:
        return None
    half = max(rate.high - rate.value, rate.value - rate.low)
    distance = max(
        margin_per_s - rate.value,
        rate.value - MIN_LEAK_SHARE * margin_per_s,
        MIN_DECISION_SHARE * margin_per_s,
    )
    return max(half / distance - 1, MIN_MORE_SHARE) * span_s


def oom_window(series: SignalSeries, rate: Rate, limit: float) -> Window:
    """Return from when to when the limit may be met, seconds after the last reading.

    The earliest is from the highest level of the last readings at the highest rate, the latest from their lowest at the
    lowest rate; ``rate`` is per second. A limit that is already met gives 0, a rate that may be nothing gives inf.
    """
    last = series.life == series.life[np.argmax(series.t_s)]
    t_s, value = series.t_s[last], series.value[last]
    recent = t_s >= t_s[-1] - END_SHARE * np.ptp(t_s)
    at_end = value[recent] + rate.value * (t_s[-1] - t_s[recent])
    low, high = np.percentile(at_end, [5, 99])
    earliest = max(limit - float(high), 0.0) / rate.high if rate.high > 0 else np.inf
    latest = max(limit - float(low), 0.0) / rate.low if rate.low > 0 else np.inf
    return Window(float(earliest), float(latest))
