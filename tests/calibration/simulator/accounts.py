"""What the kernel and the probe read of each process, part by part, from the same memory that is judged alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from analysis.judge.types import ARENA_BYTES, Numbers
from analysis.recording.accounting import TOP_PAD_BYTES
from tests.calibration.simulator import parts as healthy_parts
from tests.calibration.simulator.allocators import Allocator, foreign
from tests.calibration.simulator.kinds import FOREIGN, SPLIT, TMPFS
from tests.calibration.simulator.lives import Service
from tests.calibration.simulator.noise import MIB, Chance, log_uniform
from tests.calibration.simulator.parts import PAGE, Healthy, Life, Part


class Place(IntEnum):
    """Where bytes are."""

    PYTHON = 0
    NATIVE = 1
    MAPPED = 2
    """Past every allocator that can be asked: mappings, stacks, a foreign allocator."""
    SHARED = 3
    """Files on tmpfs, which no process maps."""
    FREE_PYTHON = 4
    FREE_NATIVE = 5


LIVE: Final = (Place.PYTHON, Place.NATIVE, Place.MAPPED)
COLUMNS: Final = (
    "anon_bytes",
    "cgroup_shmem_bytes",
    "pymalloc_arena_bytes",
    "pymalloc_free_bytes",
    "pymalloc_unused_bytes",
    "malloc_in_use_bytes",
    "malloc_free_bytes",
    "malloc_arena_bytes",
    "malloc_top_bytes",
    "pool_free_bytes",
)
"""Rows of what is read; the same again follows, as read at a quiesce point."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """How the memory of a service is spread, and what its allocators are like: a ``Holder`` of ``lives``."""

    places: tuple[Place, ...]
    """Of each part, then of each leak."""
    base: Numbers
    """Bytes in each place of LIVE when a process starts."""
    noise: Numbers
    """Shares of the noise in Python's memory, in native memory, and in free memory of malloc."""
    keeps: tuple[float, float]
    """Most free bytes that Python's allocator and malloc keep."""
    unused: tuple[float, float]
    """Share of what was freed that is in unused pools, and in malloc's top."""
    foreign: Allocator | None
    """The allocator of what is mapped; None where it is mapped page by page."""
    jitter_bytes: float
    """Of what the kernel counts."""
    drained_bytes: float
    """Noise of Python's memory and of native memory at a quiesce point."""
    stacks: tuple[float, float]
    """Mapped memory that a process gains under load, bytes, and its time constant, seconds: stacks, libraries."""

    def __call__(self, life: Life, parts: list[Part], noise: Numbers) -> Numbers:
        """Return COLUMNS under load, then at quiesce points; the first row is above the base."""
        needed, drained = np.zeros((2, len(Place), len(noise)))
        for part, place in zip(parts, self.places, strict=True):
            needed[place] += part.values
            drained[place] += part.values if part.drained is None else part.drained
        needed[list(LIVE)] += self.base[:, None]
        drained[list(LIVE)] += self.base[:, None]
        stacks = self.stacks[0] * (1 - np.exp(-life.age_s / self.stacks[1]))
        needed[Place.MAPPED] += stacks
        drained[Place.MAPPED] += stacks
        drained[: Place.MAPPED] += self.drained_bytes * life.chance.standard_normal((2, len(noise)))
        for place, share in zip((Place.PYTHON, Place.NATIVE, Place.FREE_NATIVE), self.noise, strict=True):
            needed[place] += share * noise
        free_native = needed[Place.FREE_NATIVE] - min(0.0, float(needed[Place.FREE_NATIVE].min()))
        in_pools = needed[Place.PYTHON] + needed[Place.FREE_PYTHON]
        in_heap = needed[Place.NATIVE] + free_native
        arenas, untouched = _taken(in_pools, ARENA_BYTES, self.keeps[0])
        heap, top = _taken(in_heap, TOP_PAD_BYTES, self.keeps[1])
        # An allocator takes more only when no pool is unused and the top is used up: what else is free lies between.
        unused, at_top = (
            never + share * (taken - used - never)
            for never, share, taken, used in (
                (untouched, self.unused[0], arenas, in_pools),
                (top, self.unused[1], heap, in_heap),
            )
        )
        mapped = needed[Place.MAPPED]
        kept = self.foreign(life, mapped) - mapped if self.foreign else np.zeros(len(mapped))
        jitter = self.jitter_bytes * life.chance.standard_normal(len(noise))
        allocated = arenas - untouched + heap - top + kept + jitter - self.base.sum()
        rows = []
        for used in (needed, drained):
            free_python, free_malloc = arenas - used[Place.PYTHON], heap - used[Place.NATIVE]
            rows += [
                np.floor((allocated + used[Place.MAPPED]) / PAGE) * PAGE,
                used[Place.SHARED],
                arenas,
                free_python,
                unused + self.unused[0] * np.maximum(needed[Place.PYTHON] - used[Place.PYTHON], 0.0),
                used[Place.NATIVE],
                free_malloc,
                heap,
                at_top,
                free_python - untouched,
            ]
        return np.stack(rows)


def accounts(kind: str, service: Service, base: float, draw: Chance) -> Accounts:
    """Return the accounts of a service of a kind, whose processes share ``base`` bytes at their start."""
    in_arenas: dict[Healthy, Place] = {
        healthy_parts.arena_steps: Place.FREE_PYTHON,
        healthy_parts.fragmentation: Place.FREE_NATIVE,
        healthy_parts.rotated_files: Place.SHARED,
    }
    by_foreign = kind.endswith(FOREIGN)
    usual = Place.MAPPED if by_foreign else Place.SHARED if kind.endswith(TMPFS) else None
    in_use = (Place.MAPPED,) if by_foreign else (Place.PYTHON, Place.PYTHON, Place.NATIVE)
    places = [in_arenas.get(part, in_use[draw.integers(len(in_use))]) for part in service.healthy]
    apart = draw.permutation(LIVE)
    places += [
        Place(int(apart[number] if kind in SPLIT else draw.choice(LIVE))) if usual is None else usual
        for number in range(len(service.leaks))
    ]
    shares = np.append(draw.dirichlet((2.0, 2.0)), 0.0)
    free = draw.uniform()
    keeps_python = float(draw.choice([2.0, 8.0, 32.0, np.inf])) * ARENA_BYTES
    return Accounts(
        places=tuple(places),
        base=base / len(service.starts_s) * draw.dirichlet((4.0, 3.0, 3.0)),
        noise=shares * (1 - free) + np.array([0.0, 0.0, free]),
        keeps=(keeps_python, log_uniform(draw, 0.2, 100) * MIB),
        unused=(draw.uniform(0.1, 0.9), draw.uniform(0.0, 0.9)),
        foreign=foreign(draw, np.inf) if by_foreign else None,
        jitter_bytes=log_uniform(draw, 0.25, 32) * PAGE,
        drained_bytes=log_uniform(draw, 0.25, 32) * PAGE,
        stacks=(log_uniform(draw, 0.01, 1) * MIB, log_uniform(draw, 10, 600)),
    )


def _taken(needed: Numbers, step: float, keeps: float) -> tuple[Numbers, Numbers]:
    """Return what an allocator took from the system, in steps, and what of it was never touched."""
    taken, untouched = np.empty((2, len(needed)))
    now, touched, spare = 0.0, 0.0, max(1.0, np.floor(keeps / step))
    for tick, used in enumerate(needed.tolist()):
        steps = np.ceil(used / step)
        now = min(max(now, steps), steps + spare)
        touched = max(used, min(touched, now * step))
        taken[tick] = now * step
        untouched[tick] = min(now * step - touched, step)
    return taken, untouched
