"""Recordings of services that never were, with a truth that is known."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.judge.types import Numbers
from tests.calibration.simulator import parts
from tests.calibration.simulator.kinds import service_of
from tests.calibration.simulator.lives import MARGIN, LifeNumbers, Service, add_up, live
from tests.calibration.simulator.load import served
from tests.calibration.simulator.noise import MIB, Chance, ar1, log_uniform, memory_noise
from tests.calibration.simulator.readings import Memory, read

TUNING_SEED: Final = 0
REPORTING_SEED: Final = 1_000_000
"""The first seeds of two ranges that do not meet: what a method is tuned on is not what it is reported by."""
SETTLED: Final = 0.4
"""A recording is decidable when its settled stretches make up this part of it."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A recording and the truth about it."""

    kind: str
    seed: int
    hours: float
    frame: pd.DataFrame
    """As ``analysis.external.frame:judge_frame`` takes it, with the margin and the limit in ``attrs``."""
    leak: float
    """Bytes per second; of a leak that starts late, from then on."""
    decidable: bool
    """Whether what is healthy in it has settled for long enough to be told from a leak."""
    oom_s: float | None
    """When the crest of memory meets the limit, seconds after the last reading; None without a leak."""
    oom_mean_s: float | None
    """The same of memory with its cycles averaged."""


@dataclass(frozen=True, slots=True)
class Day:
    """A service and what comes upon it in one run; arrays by tick."""

    service: Service
    draw: Chance
    """What the service is like."""
    chance: Chance
    """What happens to happen."""
    t_s: Numbers
    base: float
    """Bytes that the service holds at its start."""
    requests: Numbers
    """Requests so far."""
    period_s: float
    """Of day and night; 0 without."""
    noise: Numbers
    """Bytes."""

    @property
    def leak(self) -> float:
        """Bytes per second; of a leak that starts late, from then on."""
        return sum(rate for _, rate in self.service.leaks)

    def decidable(self, settled: npt.NDArray[np.bool_]) -> bool:
        """Return whether what is healthy in it has settled for long enough to be told from a leak."""
        by_load = {parts.follows_load, parts.ttl_cache}.intersection(self.service.healthy)
        whole_days = self.period_s <= self.t_s[-1] or not by_load
        return bool(whole_days and settled.mean() >= SETTLED)


def day(
    kind: str, seed: int, *, hours: float, tick_s: float, multiple: float, replay: int = 0, added: float = 0.0
) -> Day:
    """Return what is simulated, as of ``simulate``."""
    name = zlib.crc32(kind.encode())
    draw, chance = np.random.default_rng([name, seed]), np.random.default_rng([name, seed, 1 + replay])
    t_s = np.arange(0.0, hours * 3600, tick_s)
    base = draw_base(draw)
    service = service_of(kind, draw, float(t_s[-1]), multiple * MARGIN, added)
    follows = parts.follows_load in service.healthy or kind == "leak per request"
    requests, period_s = served(draw, chance, t_s, tick_s, diurnal=follows, days=service.days)
    noise = service.noise * memory_noise(draw, chance, t_s, tick_s)
    return Day(service, draw, chance, t_s, base, requests, period_s, noise)


def simulate(
    kind: str,
    seed: int,
    *,
    hours: float = 4.0,
    tick_s: float = 5.0,
    multiple: float = 0.0,
    replay: int = 0,
    added: float = 0.0,
) -> Trace:
    """Return the recording of this kind and seed, always the same.

    ``multiple`` is the leak in margins (leaky kinds only), ``added`` a steady leak beside it in bytes per second.
    Another ``replay`` is another day of the same service: the same parts, other noise. Raises KeyError for an unknown
    kind.
    """
    made = day(kind, seed, hours=hours, tick_s=tick_s, multiple=multiple, replay=replay, added=added)
    draw, chance, t_s, noise, leak = made.draw, made.chance, made.t_s, made.noise, made.leak
    lived = add_up(live(made.service, draw, chance, t_s, made.requests, noise), made.base)
    if made.service.allocator is not None:  # the noise is in what it was asked for
        noise = log_uniform(draw, 0.01, 0.2) * MIB * ar1(chance, len(t_s), tick_s=tick_s, memory_s=60)
    memory = Memory(t_s, np.clip(made.base + lived.path + noise, MIB, None), made.requests, lived.life)
    frame, shared = read(memory, draw, chance, tick_s)
    frame.attrs["margin_bytes_per_s"] = MARGIN
    end, crest = _ends(lived.path, lived.life, t_s, leak)
    spare = log_uniform(draw, 20, 2000) * MIB
    limit = lived.limit if np.isfinite(lived.limit) else crest + spare
    frame.attrs["memory_limit_bytes"] = made.base + shared + limit
    return Trace(
        kind,
        seed,
        hours,
        frame,
        leak,
        decidable=made.decidable(lived.settled),
        oom_s=max(0.0, (limit - crest) / leak) if leak else None,
        oom_mean_s=max(0.0, (limit - end) / leak) if leak else None,
    )


def draw_base(draw: Chance) -> float:
    """Return what a service holds when it has done nothing yet, in bytes."""
    return log_uniform(draw, 80, 600) * MIB


def _ends(path: Numbers, life: LifeNumbers, t_s: Numbers, leak: float) -> tuple[float, float]:
    """Return the level at the end and its crest, of the last life's last quarter with the leak taken out."""
    last = (life == life.max()) & (t_s >= 0.75 * t_s[-1])
    level = path[last] + leak * (t_s[-1] - t_s[last])
    return (
        (float(np.median(level)), float(np.max(level))) if last.any() else (float(path[-1]), float(path[-1]))
    )
