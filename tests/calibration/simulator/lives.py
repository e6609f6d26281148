"""A service lived through: its processes from start to end, what they hold, and the limit that may kill them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from analysis.judge.types import Numbers
from tests.calibration.simulator.allocators import Allocator
from tests.calibration.simulator.noise import MIB, Chance
from tests.calibration.simulator.parts import Healthy, Life, Part

Holder = Callable[[Life, list[Part], Numbers], Numbers]
"""Takes a life, its parts and leaks, and the noise of the bytes needed; returns what is read of it, a row each. The
first row is the bytes held above the base."""
Leak = Callable[[Life, float], Part]
LifeNumbers = npt.NDArray[np.int64]

MARGIN: Final = MIB / 3600
"""Bytes per second: 1 MiB per hour."""


@dataclass(frozen=True, slots=True)
class Service:
    """What makes up one service."""

    healthy: tuple[Healthy, ...]
    leaks: tuple[tuple[Leak, float], ...]
    restarts_s: tuple[tuple[float, ...], ...] = ((),)
    """When each of its processes is started again."""
    starts_s: tuple[float, ...] = (0.0,)
    """When each of its processes is started for the first time."""
    days: float | None = None
    """Days of its load within the run; None of any load."""
    noise: float = 1.0
    """Noise of the bytes needed, as a multiple of what is usual."""
    headroom_bytes: float = np.inf
    """Above what it needs in its first settled hour; the kernel kills it there."""
    allocator: Allocator | None = None
    """What makes bytes held of bytes needed; None where they are the same."""


@dataclass(frozen=True, slots=True)
class Lived:
    """What a service held; arrays of one length, by tick."""

    read: Numbers
    """What is read, a row each; the first are the bytes held above the base."""
    life: LifeNumbers
    """Number of the process, or of the stretch in which the processes stayed the same; 0 while none is up."""
    settled: npt.NDArray[np.bool_]
    """Whether something is up, and all that is up gains by leaks alone."""
    limit: float
    """Bytes above the base at which the kernel kills; inf where it does not."""

    @property
    def path(self) -> Numbers:
        """Bytes held above the base."""
        return np.asarray(self.read[0])


def live(
    service: Service,
    draw: Chance,
    chance: Chance,
    t_s: Numbers,
    requests: Numbers,
    noise: Numbers,
    hold: Holder | None = None,
) -> tuple[Lived, ...]:
    """Return what each process of the service holds; they share the requests, the leaks and the noise evenly.

    Each life draws the same parts anew and goes through its own warm-up, at a level of its own. ``noise`` is of the
    bytes needed. ``hold`` returns what is read; None: the bytes held, of which noise is a part where an allocator
    stands between them and the bytes needed.
    """
    hold = hold or _bytes_held(service.allocator)
    seed, unlike, down_s = int(draw.integers(1 << 30)), draw.uniform(0, 2) * MIB, draw.uniform(2, 40)
    count = len(service.starts_s)
    return tuple(
        _process(service, number, seed, unlike, down_s, chance, t_s, requests / count, noise / count, hold)
        for number in range(count)
    )


def add_up(lived: tuple[Lived, ...], base: float) -> Lived:
    """Return the bytes that all processes hold, as one; the base is shared evenly by those that are up."""
    if len(lived) == 1:
        return lived[0]
    up = np.array([one.life > 0 for one in lived])
    path = np.sum([one.path for one in lived], axis=0) - base * (1 - up.mean(axis=0))
    numbers = np.array([one.life for one in lived])
    changed = np.any(np.diff(numbers, axis=1, prepend=numbers[:, :1]) != 0, axis=0)
    life = np.where(up.any(axis=0), 1 + np.cumsum(changed), 0)
    settled = np.array([one.settled for one in lived]) | ~up
    return Lived(path[None], life, settled.all(axis=0) & up.any(axis=0), np.inf)


def _bytes_held(allocator: Allocator | None) -> Holder:
    def hold(life: Life, parts: list[Part], noise: Numbers) -> Numbers:
        needed = np.sum([part.values for part in parts], axis=0)
        return np.asarray((allocator(life, needed + noise) if allocator else needed)[None])

    return hold


def _process(
    service: Service,
    number: int,
    seed: int,
    unlike: float,
    down_s: float,
    chance: Chance,
    t_s: Numbers,
    requests: Numbers,
    noise: Numbers,
    hold: Holder,
) -> Lived:
    """Return one of the processes over all its lives."""
    read, life = np.empty((0, len(t_s))), np.zeros(len(t_s), dtype=np.int64)
    settled = np.zeros(len(t_s), dtype=bool)
    count = len(service.starts_s)
    begin, ordinal, limit = int(np.searchsorted(t_s, service.starts_s[number])), 0, np.inf
    while begin < len(t_s):
        ordinal += 1
        here = _a_life(t_s, requests, begin, seed, chance)
        made = [part(here) for part in service.healthy]
        leaked = [leak(here, rate / count) for leak, rate in service.leaks]
        held = hold(here, made + leaked, noise[begin:])
        if ordinal == 1:
            limit = float(np.max(np.sum([part.values for part in made], axis=0))) + service.headroom_bytes
            read = np.zeros((len(held), len(t_s)))
        planned = [at_s for at_s in service.restarts_s[number] if at_s > t_s[begin] + 60]
        stop = int(np.searchsorted(t_s, min(planned, default=np.inf)))
        killed = np.flatnonzero(held[0] > limit)
        stop = min(stop, begin + int(killed[0])) if len(killed) else stop
        level = unlike * chance.standard_normal() if ordinal > 1 else 0.0
        read[:, begin:stop] = held[:, : stop - begin]
        read[0, begin:stop] += level
        life[begin:stop] = ordinal
        settled[begin:stop] = here.age_s[: stop - begin] >= max(part.settled_s for part in made)
        begin = int(np.searchsorted(t_s, t_s[min(stop, len(t_s) - 1)] + down_s)) if stop < len(t_s) else stop
    return Lived(read, life, settled, limit)


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
