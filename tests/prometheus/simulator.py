"""Services as Prometheus sees them, with planted truth: memory, start times and requests, scraped each minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from analysis.judge.types import Numbers

MIB: Final = float(1 << 20)
HOUR_S: Final = 3600.0
DAY_S: Final = 86_400.0
Chance = np.random.Generator
Load = Callable[[Numbers], Numbers]
"""Requests per second at seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Scraped:
    """The samples of one process, which may be started again, between two roll-outs."""

    labels: dict[str, str]
    t_s: Numbers
    memory: Numbers
    """Bytes."""
    start_s: Numbers
    requests: Numbers
    """A counter that each start sets back."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a service is like."""

    name: str
    hours: float
    leak: float = 0.0
    """MiB per hour; of a leak by requests, per hour of its mean load."""
    by_requests: bool = False
    """Whether it leaks by requests instead of by time."""
    daily: bool = True
    """Whether its load is that of days, and its memory follows it."""
    restarts: int = 0
    """Starts again at random moments."""
    deploys: bool = False
    """Whether each day has a roll-out at the same hour."""
    rollouts: int = 0
    """Roll-outs at random moments."""
    replicas: int = 1
    sawtooth: bool = False
    lost: float = 0.0
    """Share of the scrapes that are lost, and a stretch of two hours with it."""
    knows_requests: bool = True
    """Whether the requests are given to the judge."""


@dataclass
class _Part:
    """One process between two roll-outs: its lives."""

    starts_s: list[float] = field(default_factory=list)
    end_s: float = 0.0


def simulate(kind: Kind, seed: int, end_s: float, scrape_s: float = 60.0) -> tuple[Scraped, ...]:
    """Return what Prometheus scraped of a service in the hours up to ``end_s``, seconds since 1970."""
    draw = np.random.default_rng([seed, sum(map(ord, kind.name))])
    begin_s = end_s - kind.hours * HOUR_S
    load = _load(draw, kind)
    memory = _Memory(draw, kind)
    found = []
    for replica in range(kind.replicas):
        for number, part in enumerate(_parts(draw, kind, begin_s, end_s)):
            t_s = np.arange(max(part.starts_s[0], begin_s) + draw.uniform(0, scrape_s), part.end_s, scrape_s)
            labels = {
                "job": "shop",
                "pod": f"shop-{number:x}-{replica}",
                "instance": f"10.0.{number}.{replica}:8000",
            }
            found.append(_scraped(draw, labels, t_s, part.starts_s, load, memory, kind, end_s))
    return tuple(found)


def _scraped(
    draw: Chance, labels: dict[str, str], t_s: Numbers, starts_s: list[float], load: Load, memory: _Memory, kind: Kind,
    end_s: float,
) -> Scraped:  # fmt: skip
    life = np.searchsorted(starts_s, t_s, side="right") - 1
    start_s = np.array(starts_s)[life]
    rate = load(t_s) * (1 + draw.normal(0, 0.03, len(t_s)))
    gained = np.maximum(rate, 0) * np.diff(t_s, prepend=t_s[:1])
    served = np.cumsum(gained)
    before = np.array([served[life == one][0] for one in np.unique(life)])
    requests = np.floor(served - before[np.unique(life, return_inverse=True)[1]])
    value = memory.of(draw, t_s, t_s - start_s, load, requests)
    kept = np.ones(len(t_s), dtype=bool)
    if kind.lost:
        kept = draw.random(len(t_s)) >= kind.lost
        gap_s = end_s - draw.uniform(0.2, 0.8) * kind.hours * HOUR_S
        kept &= (t_s < gap_s) | (t_s > gap_s + 2 * HOUR_S)
    whole = np.round(start_s, 2)
    return Scraped(labels, t_s[kept], np.round(value[kept]), whole[kept], requests[kept])


def _parts(draw: Chance, kind: Kind, begin_s: float, end_s: float) -> list[_Part]:
    """Return the processes of one replica between roll-outs; the first began before what is seen."""
    cuts: list[float] = []
    if kind.deploys:
        at_s = begin_s + draw.uniform(0.1, 0.9) * DAY_S
        cuts = [float(cut) for cut in np.arange(at_s, end_s, DAY_S) + draw.normal(0, 120)]
    cuts += [float(cut) for cut in begin_s + draw.uniform(0.2, 0.8, kind.rollouts) * (end_s - begin_s)]
    edges = [begin_s, *sorted(cuts), end_s]
    parts = []
    for number in range(len(edges) - 1):
        first, last = edges[number], edges[number + 1]
        ready_s = first - draw.uniform(0.2, 30) * HOUR_S if number == 0 else first
        part = _Part([round(ready_s, 2)], min(last + draw.uniform(0, 240), end_s))
        parts.append(part)
    for at_s in np.sort(begin_s + draw.uniform(0.1, 0.9, kind.restarts) * (end_s - begin_s)):
        part = next(part for part in reversed(parts) if part.starts_s[0] <= at_s)
        part.starts_s.append(round(float(at_s), 2))
    return parts


def _load(draw: Chance, kind: Kind) -> Load:
    mean = float(np.exp(draw.uniform(np.log(5), np.log(200))))
    if not kind.daily:
        return lambda t_s: np.full(len(t_s), mean)
    least, shape, phase_s = draw.uniform(0.03, 0.4), draw.integers(3), draw.uniform(0, DAY_S)
    weekend, weekday = draw.uniform(0.4, 1.0), int(draw.integers(7))

    def load(t_s: Numbers) -> Numbers:
        hour = (t_s + phase_s) / HOUR_S % 24
        if shape == 0:
            day = 0.5 + 0.5 * np.sin(2 * np.pi * (hour - 9) / 24)
        elif shape == 1:
            noon = 1 - 0.2 * np.exp(-(((hour - 12.7) / 0.6) ** 2))
            day = noon / (1 + np.exp(-(hour - 8.5) / 0.7)) / (1 + np.exp(hour - 18))
        else:
            day = np.exp(-(((hour - 9) / 2.5) ** 2)) + 0.8 * np.exp(-(((hour - 19) / 2.0) ** 2))
        number = (np.floor((t_s + phase_s) / DAY_S) + weekday) % 7
        return np.asarray(mean * (least + (1 - least) * day) * np.where(number >= 5, weekend, 1.0))

    return load


class _Memory:
    """What all processes of a service have in common."""

    def __init__(self, draw: Chance, kind: Kind) -> None:
        self.base = draw.uniform(80, 400)
        self.warm, self.warm_s = draw.uniform(5, 40), draw.uniform(300, 3600)
        self.follows = draw.uniform(10, 80) if kind.daily else draw.uniform(0, 5)
        self.lag_s = draw.uniform(60, 3600)
        self.noise = draw.uniform(0.2, 2.0)
        self.tooth = draw.uniform(4, 12) if kind.sawtooth else 0.0
        self.tooth_s = draw.uniform(1200, 5400)
        self.by_requests = kind.by_requests
        self.leak = kind.leak

    def of(self, draw: Chance, t_s: Numbers, age_s: Numbers, load: Load, requests: Numbers) -> Numbers:
        """Return resident memory, bytes."""
        rate = load(t_s)
        mean = float(load(np.linspace(t_s[0] - 3.5 * DAY_S, t_s[0] + 3.5 * DAY_S, 10_000)).mean())
        follows = self.follows * np.minimum(_lagged(rate, t_s, self.lag_s) / (2.5 * mean), 1.0)
        if self.by_requests:
            began = np.diff(age_s, prepend=age_s[:1]) < 0
            unseen_h = (age_s[0] if not began.any() else 0.0) / HOUR_S
            leaked = self.leak * (requests / mean / HOUR_S + np.where(np.cumsum(began) == 0, unseen_h, 0.0))
        else:
            leaked = self.leak * age_s / HOUR_S
        warm = self.warm * (1 - np.exp(-age_s / self.warm_s))
        tooth = self.tooth * (age_s % self.tooth_s) / self.tooth_s
        mib = self.base + warm + follows + leaked + tooth + _coloured(draw, len(t_s), self.noise)
        return np.asarray(np.ceil(mib * 256) / 256 * MIB)


def _lagged(rate: Numbers, t_s: Numbers, lag_s: float) -> Numbers:
    """Return an exponential average, shape (n,)."""
    keep = np.exp(-np.diff(t_s, prepend=t_s[:1]) / lag_s)
    found = np.empty(len(rate))
    now = rate[0]
    for at, value in enumerate(rate):
        now = keep[at] * now + (1 - keep[at]) * value
        found[at] = now
    return found


def _coloured(draw: Chance, count: int, size: float) -> Numbers:
    """Return noise of a few minutes and, half as large, of hours."""
    quick, slow = draw.normal(0, size, count), draw.normal(0, 1, count)
    for at in range(1, count):
        quick[at] = 0.7 * quick[at - 1] + np.sqrt(1 - 0.7**2) * quick[at]
        slow[at] = 0.99 * slow[at - 1] + np.sqrt(1 - 0.99**2) * slow[at]
    return np.asarray(quick + size / 2 * slow)
