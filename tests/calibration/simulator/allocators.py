"""What a process holds for the bytes that it needs: allocators take memory in steps, and give back late or never."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from analysis.judge.types import Numbers
from tests.calibration.simulator.noise import MIB, Chance, log_uniform
from tests.calibration.simulator.parts import Life

Allocator = Callable[[Life, Numbers], Numbers]
"""Takes a life and the bytes needed at each tick, returns the bytes held."""

MIMALLOC_KEEPS_MIB: Final = (8.0, 9.0)
"""Free memory that mimalloc was seen to keep."""


def arenas(draw: Chance, most_kept_bytes: float) -> Allocator:
    """Return one of whole arenas, which returns one when so many are free, or never, as something lives in each.

    ``most_kept_bytes`` bounds what is free.
    """
    size, filled = float(draw.choice([0.25, 1.0, 1.0, 1.0])) * MIB, draw.uniform()
    spare = min(float(draw.choice([1, 2, 4, np.inf])), np.floor(most_kept_bytes / size))

    def take(life: Life, needed: Numbers) -> Numbers:
        del life
        count = np.ceil(needed / size + filled)
        held, now = np.empty(len(count)), float(count[0])
        for tick, used in enumerate(count.tolist()):
            now = min(max(now, used), used + spare)
            held[tick] = now
        return size * held

    return take


def foreign(draw: Chance, most_kept_bytes: float) -> Allocator:
    """Return one that keeps free memory which nobody can be asked about: always, up to a bound, or until it decays.

    The first is like mimalloc, the second like jemalloc, whose free pages decay within seconds or, where nothing calls
    it, minutes. ``most_kept_bytes`` bounds what the first keeps.
    """
    kept_mib = draw.uniform(*MIMALLOC_KEEPS_MIB) if draw.uniform() < 0.5 else log_uniform(draw, 1, 12)
    decay_s, decays = log_uniform(draw, 10, 600), draw.uniform() < 0.5
    most = np.inf if decays else min(kept_mib * MIB, most_kept_bytes)

    def keep(life: Life, needed: Numbers) -> Numbers:
        left = float(np.exp(-life.tick_s / decay_s)) if decays else 1.0
        free, kept = 0.0, np.zeros(len(needed))
        for tick, gained in enumerate(np.diff(needed).tolist(), start=1):
            free = min(max(free - gained, 0.0), most) * left
            kept[tick] = free
        return needed + kept

    return keep
