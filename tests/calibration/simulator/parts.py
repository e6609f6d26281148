"""What a process holds in memory, part by part: healthy ones that end somewhere, and leaks that do not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.signal import lfilter  # type: ignore[attr-defined]  # exported by a star import

from analysis.judge.types import Numbers
from tests.calibration.simulator.noise import MIB, Chance, log_uniform

PAGE: Final = 4096.0
RELEVANT: Final = 0.1
"""A healthy part has settled when what it still gains is slower than this part of the margin."""


@dataclass(frozen=True, slots=True)
class Life:
    """One process between two starts, and where it stands in its run."""

    age_s: Numbers
    """Seconds since its start, at each tick."""
    served: Numbers
    """Requests it has answered, at each tick."""
    started_s: float
    run_s: float
    tick_s: float
    mean_rps: float
    """Over the whole run."""
    margin: float
    """Bytes per second."""
    draw: Chance
    """What the service is like: the same in each of its lives and in each replay."""
    chance: Chance
    """What happens to happen."""

    @property
    def served_s(self) -> Numbers:
        """The requests answered as the seconds which they take at the mean rate."""
        return self.served / self.mean_rps

    @property
    def rate(self) -> Numbers:
        """Requests per second against the mean, smoothed over a minute."""
        per_tick = np.gradient(self.served_s, self.age_s) if len(self.age_s) > 1 else np.ones(1)
        return _lagged(per_tick, self.tick_s, 60.0)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes held at each tick of a life, and the age from which on nothing is gained but by leaks."""

    values: Numbers
    settled_s: float = 0.0
    drained: Numbers | None = None
    """The bytes without garbage and without what requests in flight hold; None where these are the same."""


Healthy = Callable[[Life], Part]


def flat(life: Life) -> Part:
    """Nothing beyond the base."""
    return Part(np.zeros(len(life.age_s)))


def warmup(life: Life) -> Part:
    """An exponential approach, in one of six services from above (a start-up peak given back)."""
    rise, tau_s = log_uniform(life.draw, 2, 150) * MIB, log_uniform(life.draw, 20, 3600)
    sign = -0.3 if life.draw.uniform() < 0.16 else 1.0
    return Part(
        sign * rise * (1 - np.exp(-life.age_s / tau_s)), _exponential_settled(abs(sign) * rise, tau_s, life)
    )


def lru_filling(life: Life) -> Part:
    """A bounded cache that fills with requests, first fast, then slower as keys repeat, and stops when full."""
    size, full_s = log_uniform(life.draw, 5, 300) * MIB, log_uniform(life.draw, 300, 3 * 3600)
    return Part(size * _filled(life.served_s / full_s, life.draw.uniform(0.05, 3)), full_s)


def ttl_cache(life: Life) -> Part:
    """A cache that holds what came within its time to live, swept now and then."""
    lives_s, size = log_uniform(life.draw, 120, 5400), log_uniform(life.draw, 3, 150) * MIB
    sweep_s = log_uniform(life.draw, 1, min(900, lives_s))
    swept_s = np.floor(life.age_s / sweep_s) * sweep_s - lives_s
    gone = np.interp(swept_s, life.age_s, life.served_s, left=0.0)
    return Part(size * (life.served_s - gone) / lives_s, lives_s + sweep_s)


def sawtooth(life: Life) -> Part:
    """Garbage that piles up with requests until a collection, not quite regular; floors are not quite even."""
    crest, period_s = log_uniform(life.draw, 0.5, 80) * MIB, log_uniform(life.draw, 20, 2400)
    uneven, ragged = life.draw.uniform(0, 0.4), life.draw.uniform(0, 0.1)
    most = int(life.served_s[-1] / (0.2 * period_s)) + 3
    lengths = period_s * np.clip(life.chance.normal(1, uneven, most), 0.2, None)
    ends = np.cumsum(lengths) - life.chance.uniform() * lengths[0]
    cycle = np.searchsorted(ends, life.served_s, side="right")
    since = life.served_s - np.concatenate([[ends[0] - lengths[0]], ends])[cycle]
    floors = life.chance.exponential(ragged + 1e-9, most + 1) * crest
    once = int(
        np.searchsorted(cycle, cycle[0] + 2)
    )  # a first cycle looks like a leak until the next has begun
    settled_s = float(life.age_s[once]) if once < len(cycle) else np.inf
    return Part(crest * since / period_s + floors[cycle], settled_s, drained=np.zeros(len(cycle)))


def draw_arenas(draw: Chance) -> tuple[float, float, float]:
    """Return the bytes of an arena, how many there are on average, and for how many seconds one is held."""
    size = float(draw.choice([0.25, 1.0, 1.0, 4.0])) * MIB
    return size, draw.uniform(1, 16), log_uniform(draw, 30, 1800)


def arena_steps(life: Life) -> Part:
    """Arenas that come and go: a random staircase around a level, from its level or from nothing."""
    size, mean_count, held_s = draw_arenas(life.draw)
    from_nothing = life.draw.uniform() < 0.5
    lead_s = 0.0 if from_nothing else 6 * held_s
    span_s = lead_s + life.age_s[-1]
    came_s = life.chance.uniform(-lead_s, life.age_s[-1], life.chance.poisson(mean_count * span_s / held_s))
    went_s = came_s + life.chance.exponential(held_s, len(came_s))
    count = np.searchsorted(np.sort(came_s), life.age_s, side="right") - np.searchsorted(
        np.sort(went_s), life.age_s, side="right"
    )
    settled_s = _exponential_settled(size * mean_count, held_s, life) if from_nothing else 0.0
    return Part(size * count.astype(np.float64), settled_s)


def rotated_files(life: Life) -> Part:
    """Files on tmpfs: one grows with requests to its size, the next begins, and the oldest is deleted at last."""
    size, full_s = log_uniform(life.draw, 0.5, 40) * MIB, log_uniform(life.draw, 120, 2400)
    kept = int(life.draw.integers(1, 6))
    files = life.served_s / full_s
    held = size * (files % 1 + np.minimum(np.floor(files), kept))
    deleted = int(np.searchsorted(files, kept + 1))  # the first of them: until then only more is kept
    settled_s = float(life.age_s[deleted]) if deleted < len(files) else np.inf
    return Part(np.ceil(held / PAGE) * PAGE, settled_s)


def follows_load(life: Life) -> Part:
    """Buffers in proportion to the request rate, a little later than it."""
    gain, lag_s = log_uniform(life.draw, 2, 100) * MIB, log_uniform(life.draw, 10, 600)
    return Part(gain * _lagged(life.rate, life.tick_s, lag_s), drained=np.zeros(len(life.age_s)))


def step(life: Life) -> Part:
    """Something loaded once, or given back once, at any time of the run."""
    height, at = log_uniform(life.draw, 1, 80) * MIB, life.draw.uniform(0.02, 0.95)
    sign, takes_s = life.draw.choice([1.0, 1.0, 1.0, -0.5]), log_uniform(life.draw, 1, 180)
    at_s = at * life.run_s - life.started_s
    if at_s < 0:
        return flat(life)
    return Part(sign * height * np.clip((life.age_s - at_s) / takes_s, 0, 1), at_s + takes_s)


def fragmentation(life: Life) -> Part:
    """A creep like a logarithm or a root that ends, or the high-water mark of bursts that are never given back."""
    rise, ends_s = log_uniform(life.draw, 2, 60) * MIB, log_uniform(life.draw, 600, 3 * 3600)
    start_s, form = log_uniform(life.draw, 5, 600), life.draw.integers(3)
    often_s = log_uniform(life.draw, 30, 1200)
    crept_s = np.minimum(life.age_s, ends_s)
    if form == 0:
        return Part(rise * np.log1p(crept_s / start_s) / np.log1p(ends_s / start_s), ends_s)
    if form == 1:
        return Part(rise * np.sqrt(crept_s / ends_s), ends_s)
    bursts = life.chance.exponential(1.0, len(life.age_s)) * (
        life.chance.uniform(size=len(life.age_s)) < life.tick_s / often_s
    )
    marks = np.maximum.accumulate(bursts)
    settled_s = float(life.age_s[np.argmax(marks)])
    return Part(rise / 4 * marks, settled_s)


def leak_linear(life: Life, rate: float) -> Part:
    """So much per second, whatever the load."""
    return Part(rate * life.age_s)


def leak_per_request(life: Life, rate: float) -> Part:
    """So much per request; ``rate`` is the mean over the run."""
    return Part(rate * life.served_s)


def leak_bursts(life: Life, rate: float) -> Part:
    """Now and then a lot at once, never silent for more than a sixth of the run, which loses ``rate`` as a whole."""
    every_s, regular = log_uniform(life.draw, 60, 1500), life.draw.uniform(1, 8)
    count = int(4 * life.run_s / every_s) + 10
    gaps = np.minimum(life.chance.gamma(regular, every_s / regular, count), life.run_s / 6)
    at_s = np.cumsum(gaps) - life.chance.uniform() * gaps[0]
    at_s = at_s[at_s < life.run_s]
    sizes = life.chance.gamma(2.0, size=len(at_s))
    lost = np.concatenate([[0.0], np.cumsum(sizes)])
    return Part(
        rate * life.run_s * lost[np.searchsorted(at_s, life.age_s, side="right")] / max(lost[-1], 1e-9)
    )


def leak_late(life: Life, rate: float) -> Part:
    """Nothing until something is used for the first time, within the run's first half; then so much per second."""
    return Part(rate * np.maximum(life.age_s - life.draw.uniform(0.08, 0.5) * life.run_s, 0))


def _lagged(values: Numbers, tick_s: float, lag_s: float) -> Numbers:
    """Return the values smoothed by an exponential of this lag, starting from the first value."""
    keep = float(np.exp(-tick_s / lag_s))
    return np.asarray(lfilter([1 - keep], [1.0, -keep], values, zi=[keep * values[0]])[0])


def _filled(progress: Numbers, bend: float) -> Numbers:
    """Return how full a cache is: concave by ``bend`` up to progress 1, then 1."""
    return np.asarray(np.expm1(-bend * np.minimum(progress, 1)) / np.expm1(-bend))


def _exponential_settled(rise: float, tau_s: float, life: Life) -> float:
    """Return when an exponential's slope falls below what matters."""
    return tau_s * max(0.0, float(np.log(rise / (tau_s * RELEVANT * life.margin))))
