"""What memory does without meaning anything: noise of short and of long memory, and spikes."""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy.signal import lfilter  # type: ignore[attr-defined]  # exported by a star import

from analysis.judge.types import Numbers

Chance = np.random.Generator

MIB: Final = float(1 << 20)


def log_uniform(draw: Chance, low: float, high: float) -> float:
    """Return a number whose logarithm is uniform: as often between 1 and 10 as between 10 and 100."""
    return float(np.exp(draw.uniform(np.log(low), np.log(high))))


def ar1(chance: Chance, count: int, *, tick_s: float, memory_s: float) -> Numbers:
    """Return stationary AR(1) noise of variance 1 whose correlation falls to 1/e after ``memory_s``."""
    keep = float(np.exp(-tick_s / memory_s))
    shocks = chance.standard_normal(count) * np.sqrt(1 - keep**2)
    return np.asarray(lfilter([1.0], [1.0, -keep], shocks, zi=[keep * chance.standard_normal()])[0])


def pink(chance: Chance, count: int) -> Numbers:
    """Return 1/f noise of variance 1 over these readings.

    Half of a periodic series is used, since one that ends where it began would hide the slow part.
    """
    frequency = np.fft.rfftfreq(2 * count)
    frequency[0] = np.inf
    phases = chance.standard_normal(len(frequency)) + 1j * chance.standard_normal(len(frequency))
    series = np.fft.irfft(phases / np.sqrt(frequency), 2 * count)
    return np.asarray(series[:count] / series.std())


def spikes(chance: Chance, t_s: Numbers, *, per_hour: float, height: float, lasts_s: float) -> Numbers:
    """Return short peaks at random times that decay within about ``lasts_s``; heights are exponential."""
    peaks = np.zeros(len(t_s))
    for _ in range(chance.poisson(per_hour * (t_s[-1] - t_s[0]) / 3600)):
        begin = int(np.searchsorted(t_s, chance.uniform(t_s[0], t_s[-1])))
        near = slice(begin, int(np.searchsorted(t_s, t_s[min(begin, len(t_s) - 1)] + 8 * lasts_s)))
        if near.start < near.stop:
            peaks[near] += chance.exponential(height) * np.exp(-(t_s[near] - t_s[near.start]) / lasts_s)
    return peaks


def memory_noise(draw: Chance, chance: Chance, t_s: Numbers, tick_s: float) -> Numbers:
    """Return noise in bytes: a fast part always, sometimes slow or 1/f noise on top, and spikes."""
    count = len(t_s)
    noise = log_uniform(draw, 0.05, 3) * ar1(chance, count, tick_s=tick_s, memory_s=log_uniform(draw, 2, 600))
    slow_mib, slow_memory_s = log_uniform(draw, 0.05, 1), log_uniform(draw, 300, 2400)
    pink_mib = log_uniform(draw, 0.05, 1.5)
    colour = draw.uniform()
    if colour < 0.25:
        noise = noise + slow_mib * ar1(chance, count, tick_s=tick_s, memory_s=slow_memory_s)
    elif colour < 0.5:
        noise = noise + pink_mib * pink(chance, count)
    per_hour, height, lasts_s = draw.uniform(0.2, 10), log_uniform(draw, 2, 100), log_uniform(draw, 5, 120)
    if draw.uniform() < 0.5:
        noise = noise + spikes(chance, t_s, per_hour=per_hour, height=height, lasts_s=lasts_s)
    return noise * MIB
