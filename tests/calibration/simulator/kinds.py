"""The kinds of service: what is healthy in each, what leaks, and what stands between needed and held."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

import numpy as np

from tests.calibration.simulator import parts
from tests.calibration.simulator.allocators import arenas, foreign
from tests.calibration.simulator.fills import few_arenas, heavy_tail, still_filling
from tests.calibration.simulator.lives import Leak, Service
from tests.calibration.simulator.noise import MIB, Chance, log_uniform
from tests.calibration.simulator.parts import Healthy, Life, Part

Drawn = Callable[[Chance, float, float], Service]
"""Draws a service; takes the seconds of the run and the leak in bytes per second."""

DAY_S: Final = 86400.0
FOREIGN: Final = "foreign allocator"
TMPFS: Final = "tmpfs"
PROCESSES: Final = "processes"
STAIRCASE: Final = "staircase"
DEPLOYS: Final = "daily deploys"
HEALTHY: Final[dict[str, tuple[Healthy, ...]]] = {
    "flat": (parts.flat,),
    "warmup": (parts.warmup,),
    "lru": (parts.lru_filling,),
    "ttl": (parts.ttl_cache,),
    "sawtooth": (parts.sawtooth,),
    "arenas": (parts.arena_steps,),
    "diurnal": (parts.follows_load,),
    "step": (parts.step,),
    "restart": (parts.warmup,),
    "fragmentation": (parts.fragmentation,),
    TMPFS: (parts.rotated_files,),
}
"""What is healthy in a kind that has the same parts in each service; the others draw them."""
MIXTURE: Final = "mixture"
HEALTHY_KINDS: Final = (*HEALTHY, MIXTURE, FOREIGN, STAIRCASE, PROCESSES)
MIXABLE: Final = (
    parts.warmup,
    parts.lru_filling,
    parts.ttl_cache,
    parts.sawtooth,
    parts.arena_steps,
    parts.follows_load,
    parts.step,
    parts.fragmentation,
)
BELOW_FOREIGN: Final = (parts.flat, parts.warmup, parts.ttl_cache, parts.sawtooth, parts.follows_load)
EACH_PROCESS: Final = (parts.flat, parts.ttl_cache, parts.sawtooth, parts.arena_steps)
OOM: Final = "leak to OOM"
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
LEAK_ON_DEPLOYS: Final = f"leak on {DEPLOYS}"
SPLIT: Final = {"leak in two parts": 2, "leak in three parts": 3}
"""Leaks that are shared evenly among so many parts of memory."""
FILLING: Final = "filling"
"""A bounded cache that the run is too short to fill; healthy, and not to be told from memory alone."""
HEAVY_TAIL: Final = "heavy-tailed fill"
"""The same of a cache that fills ever more slowly, as the labels still missing are ever rarer."""
UNDECIDABLE: Final = (FILLING, HEAVY_TAIL)
MOST_HIDDEN: Final = 0.5
"""Share of what a leak gains in the run that free memory may take up: a leak that it takes up whole is not in readings
of memory alone."""


def service_of(kind: str, draw: Chance, run_s: float, rate: float, added: float) -> Service:
    """Return a service of a kind; ``rate`` and ``added`` are leaks in bytes per second. KeyError: unknown kind."""
    extra: tuple[tuple[Leak, float], ...] = ((parts.leak_linear, added),) if added else ()
    leak, below = _LEAKS.get(kind, (None, kind))
    leaks = ((leak, rate), *extra) if leak and rate else extra
    if below in _DRAWN:
        service = _DRAWN[below](draw, run_s, rate)
        return replace(service, leaks=leaks or service.leaks)
    if kind in _LEAKS and below == "flat":
        service = Service(_quick_or_flat(draw), leaks)
    elif below == MIXTURE:
        chosen = draw.choice(len(MIXABLE), size=int(draw.integers(2, 4)), replace=False)
        service = Service(tuple(MIXABLE[place] for place in chosen), leaks)
    else:
        service = Service(HEALTHY[below], leaks)
    if below == "restart" or (below == MIXTURE and draw.uniform() < 0.2):
        times = np.sort(draw.uniform(0.05, 0.95, int(draw.integers(1, 5)))) * run_s
        return replace(service, healthy=_quick(service.healthy), restarts_s=(tuple(times.tolist()),))
    if kind == OOM:
        return replace(
            service, headroom_bytes=rate * run_s / (int(draw.integers(1, 6)) + draw.uniform(0.2, 0.8))
        )
    return service


def _quick_or_flat(draw: Chance) -> tuple[Healthy, ...]:
    return (_quick_warmup,) if draw.uniform() < 0.5 else (parts.flat,)


def _that_fills(draw: Chance, run_s: float, rate: float) -> Service:
    del rate
    return Service((still_filling(draw, run_s),), ())


def _with_heavy_tail(draw: Chance, run_s: float, rate: float) -> Service:
    del rate
    return Service((heavy_tail(draw, run_s),), ())


def _with_split_leak(count: int) -> Drawn:
    def draw_service(draw: Chance, run_s: float, rate: float) -> Service:
        del run_s
        return Service(_quick_or_flat(draw), ((parts.leak_linear, rate / count),) * count)

    return draw_service


def _on_foreign_allocator(draw: Chance, run_s: float, rate: float) -> Service:
    healthy = BELOW_FOREIGN[draw.integers(len(BELOW_FOREIGN))]
    return Service((healthy,), (), allocator=foreign(draw, _most_hidden(run_s, rate)))


def _of_few_arenas(draw: Chance, run_s: float, rate: float) -> Service:
    """Return a service of little noise, most of which free memory of its arenas takes up."""
    quiet = log_uniform(draw, 0.02, 0.5)
    return Service((few_arenas,), (), allocator=arenas(draw, _most_hidden(run_s, rate)), noise=quiet)


def _most_hidden(run_s: float, rate: float) -> float:
    return MOST_HIDDEN * rate * run_s if rate else np.inf


def _of_processes(draw: Chance, run_s: float, rate: float) -> Service:
    """Return a service of 2 to 6 processes: some started again now and then, some forked later."""
    del rate
    healthy = EACH_PROCESS[draw.integers(len(EACH_PROCESS))]
    count, again = int(draw.integers(2, 7)), int(draw.integers(0, 3))
    restarts = tuple(
        tuple(np.sort(draw.uniform(0.05, 0.95, draw.integers(0, again + 1)) * run_s).tolist())
        for _ in range(count)
    )
    late = draw.uniform(size=count) < 0.15
    late[0] = False
    starts = np.where(late, draw.uniform(0.05, 0.5, count) * run_s, 0.0)
    return Service((_quick_warmup, healthy), (), restarts_s=restarts, starts_s=tuple(starts.tolist()))


def _deployed_daily(draw: Chance, run_s: float, rate: float) -> Service:
    """Return a service whose memory follows the load of days, each of which begins with a new process."""
    del rate
    days = run_s / DAY_S
    at_s = (np.arange(np.ceil(days)) + draw.uniform() + draw.normal(0, 0.02, int(np.ceil(days)))) * DAY_S
    restarts = tuple(at_s[(at_s > 0) & (at_s < run_s)].tolist())
    return Service((_quick_warmup, parts.follows_load), (), restarts_s=(restarts,), days=days)


_LEAKS: Final = LEAKS | {LEAK_ON_DEPLOYS: (parts.leak_linear, DEPLOYS)}
_DRAWN: Final[dict[str, Drawn]] = {
    FILLING: _that_fills,
    HEAVY_TAIL: _with_heavy_tail,
    **{kind: _with_split_leak(count) for kind, count in SPLIT.items()},
    FOREIGN: _on_foreign_allocator,
    STAIRCASE: _of_few_arenas,
    PROCESSES: _of_processes,
    DEPLOYS: _deployed_daily,
}


def _quick_warmup(life: Life) -> Part:
    """A warm-up of minutes."""
    rise, tau_s = log_uniform(life.draw, 2, 80) * MIB, log_uniform(life.draw, 20, 300)
    return Part(rise * (1 - np.exp(-life.age_s / tau_s)), 6 * tau_s)


def _quick(healthy: tuple[Healthy, ...]) -> tuple[Healthy, ...]:
    """Return the parts of a service that comes up quickly, as one that is restarted must."""
    return tuple(_quick_warmup if part is parts.warmup else part for part in healthy)
