"""Recordings of services that never were, with a truth that is known."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.judge.types import Numbers
from tests.calibration.simulator import parts
from tests.calibration.simulator.load import served
from tests.calibration.simulator.noise import MIB, Chance, log_uniform, memory_noise
from tests.calibration.simulator.parts import HEALTHY, Healthy, Life, Part
from tests.calibration.simulator.readings import Memory, read

Leak = Callable[[Life, float], Part]

MARGIN: Final = MIB / 3600
"""Bytes per second: 1 MiB per hour."""
TUNING_SEED: Final = 0
REPORTING_SEED: Final = 1_000_000
"""The first seeds of two ranges that do not meet: what a method is tuned on is not what it is reported by."""
SETTLED: Final = 0.4
"""A recording is decidable when its settled stretches make up this part of it."""

OOM: Final = "leak to OOM"
HEALTHY_KINDS: Final = (*HEALTHY, "mixture")
LEAKS: Final[dict[str, tuple[Leak, str]]] = {
    "leak": (parts.leak_linear, "flat"),
    "leak per request": (parts.leak_per_request, "diurnal"),
    "leak in sawtooth": (parts.leak_per_request, "sawtooth"),
    "leak in bursts": (parts.leak_bursts, "flat"),
    "leak from later on": (parts.leak_late, "flat"),
    OOM: (parts.leak_linear, "flat"),
    **{
        f"leak on {kind}": (parts.leak_linear, kind)
        for kind in HEALTHY_KINDS
        if kind not in {"flat", "sawtooth"}
    },
}
"""Each leak and the healthy kind below it."""
LEAK_KINDS: Final = tuple(LEAKS)
FILLING: Final = "filling"
"""A bounded cache that the run is too short to fill; healthy, and not to be told from memory alone."""


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
class _Service:
    """What makes up one service."""

    healthy: tuple[Healthy, ...]
    leaks: tuple[tuple[Leak, float], ...]
    restarts_s: tuple[float, ...] = ()
    headroom_bytes: float = np.inf
    """Above what it needs in its first settled hour; the kernel kills it there."""


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
    name = zlib.crc32(kind.encode())
    draw, chance = np.random.default_rng([name, seed]), np.random.default_rng([name, seed, 1 + replay])
    t_s = np.arange(0.0, hours * 3600, tick_s)
    base = draw_base(draw)
    service = _service(kind, draw, t_s, multiple * MARGIN, added)
    follows = parts.follows_load in service.healthy or kind == "leak per request"
    requests, period_s = served(draw, chance, t_s, tick_s, diurnal=follows)
    noise = memory_noise(draw, chance, t_s, tick_s)
    path, life, settled, limit = _live(service, draw, chance, t_s, requests)
    memory = Memory(t_s, np.clip(base + path + noise, MIB, None), requests, life)
    frame, shared = read(memory, draw, chance, tick_s)
    leak = sum(rate for _, rate in service.leaks)
    by_load = {parts.follows_load, parts.ttl_cache}.intersection(service.healthy)
    whole_days = period_s <= t_s[-1] or not by_load
    frame.attrs["margin_bytes_per_s"] = MARGIN
    end, crest = _ends(path, life, t_s, leak)
    spare = log_uniform(draw, 20, 2000) * MIB
    limit = limit if np.isfinite(limit) else crest + spare
    frame.attrs["memory_limit_bytes"] = base + shared + limit
    return Trace(
        kind,
        seed,
        hours,
        frame,
        leak,
        decidable=kind != FILLING and whole_days and settled >= SETTLED * t_s[-1],
        oom_s=max(0.0, (limit - crest) / leak) if leak else None,
        oom_mean_s=max(0.0, (limit - end) / leak) if leak else None,
    )


def draw_base(draw: Chance) -> float:
    """Return what a service holds when it has done nothing yet, in bytes."""
    return log_uniform(draw, 80, 600) * MIB


def _service(kind: str, draw: Chance, t_s: Numbers, rate: float, added: float) -> _Service:
    run_s = float(t_s[-1])
    extra: tuple[tuple[Leak, float], ...] = ((parts.leak_linear, added),) if added else ()
    if kind == FILLING:
        return _Service((_still_filling(draw, run_s),), extra)
    leak, below = LEAKS.get(kind, (None, kind))
    if kind in LEAKS and below == "flat" and draw.uniform() < 0.5:
        healthy: tuple[Healthy, ...] = (_quick_warmup,)
    elif below == "mixture":
        chosen = draw.choice(len(parts.MIXABLE), size=int(draw.integers(2, 4)), replace=False)
        healthy = tuple(parts.MIXABLE[place] for place in chosen)
    else:
        healthy = HEALTHY[below]
    service = _Service(healthy, ((leak, rate), *extra) if leak and rate else extra)
    if below == "restart" or (below == "mixture" and draw.uniform() < 0.2):
        times = np.sort(draw.uniform(0.05, 0.95, int(draw.integers(1, 5)))) * run_s
        return replace(service, healthy=_quick(healthy), restarts_s=tuple(times.tolist()))
    if kind == OOM:
        return replace(
            service, headroom_bytes=rate * run_s / (int(draw.integers(1, 6)) + draw.uniform(0.2, 0.8))
        )
    return service


def _live(
    service: _Service, draw: Chance, chance: Chance, t_s: Numbers, requests: Numbers
) -> tuple[Numbers, npt.NDArray[np.int64], float, float]:
    """Return bytes above the base, the life at each tick (0: down), the settled seconds, and the limit if it kills.

    Each life draws the same parts anew and goes through its own warm-up, at a level of its own.
    """
    tick_s = float(t_s[1] - t_s[0])
    path, life = np.zeros(len(t_s)), np.zeros(len(t_s), dtype=np.int64)
    seed, unlike = int(draw.integers(1 << 30)), draw.uniform(0, 2) * MIB
    down_s = draw.uniform(2, 40)
    begin, number, settled, limit = 0, 0, 0.0, np.inf
    while begin < len(t_s):
        number += 1
        here = _a_life(t_s, requests, begin, seed, chance)
        made = [part(here) for part in service.healthy]
        needed = np.sum([part.values for part in made], axis=0)
        held = needed + np.sum(
            [leak(here, rate).values for leak, rate in service.leaks] or [np.zeros(1)], axis=0
        )
        if number == 1:
            limit = float(np.max(needed)) + service.headroom_bytes
        planned = [at_s for at_s in service.restarts_s if at_s > t_s[begin] + 60]
        stop = int(np.searchsorted(t_s, min(planned, default=np.inf)))
        killed = np.flatnonzero(held > limit)
        stop = min(stop, begin + int(killed[0])) if len(killed) else stop
        path[begin:stop] = held[: stop - begin] + (unlike * chance.standard_normal() if number > 1 else 0.0)
        life[begin:stop] = number
        settled += max(0.0, (stop - begin) * tick_s - max(part.settled_s for part in made))
        begin = int(np.searchsorted(t_s, t_s[min(stop, len(t_s) - 1)] + down_s)) if stop < len(t_s) else stop
    return path, life, settled, limit


def _a_life(t_s: Numbers, requests: Numbers, begin: int, seed: int, chance: Chance) -> Life:
    return Life(
        age_s=t_s[begin:] - t_s[begin],
        served=requests[begin:] - requests[begin],
        started_s=float(t_s[begin]),
        run_s=float(t_s[-1]),
        tick_s=float(t_s[1] - t_s[0]),
        mean_rps=float(requests[-1] / t_s[-1]),
        margin=MARGIN,
        draw=np.random.default_rng(seed),
        chance=chance,
    )


def _ends(path: Numbers, life: npt.NDArray[np.int64], t_s: Numbers, leak: float) -> tuple[float, float]:
    """Return the level at the end and its crest, of the last life's last quarter with the leak taken out."""
    last = (life == life.max()) & (t_s >= 0.75 * t_s[-1])
    level = path[last] + leak * (t_s[-1] - t_s[last])
    return (
        (float(np.median(level)), float(np.max(level))) if last.any() else (float(path[-1]), float(path[-1]))
    )


def _quick_warmup(life: Life) -> Part:
    """A warm-up of minutes."""
    rise, tau_s = log_uniform(life.draw, 2, 80) * MIB, log_uniform(life.draw, 20, 300)
    return Part(rise * (1 - np.exp(-life.age_s / tau_s)), 6 * tau_s)


def _quick(healthy: tuple[Healthy, ...]) -> tuple[Healthy, ...]:
    """Return the parts of a service that comes up quickly, as one that is restarted must."""
    return tuple(_quick_warmup if part is parts.warmup else part for part in healthy)


def _still_filling(draw: Chance, run_s: float) -> Healthy:
    """Return a cache that gains 1 to 30 margins in the run and is not full at its end."""
    gained, full, bend = (
        log_uniform(draw, 1, 30) * MARGIN * run_s,
        draw.uniform(0.2, 0.95),
        draw.uniform(0.05, 3),
    )

    def fill(life: Life) -> Part:
        progress = life.served_s / run_s * full
        return Part(gained * np.expm1(-bend * progress) / np.expm1(-bend * full), np.inf)

    return fill
