"""Which traces are judged, and in what share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, product
from typing import Final

from tests.calibration.simulator.simulate import FILLING, HEALTHY_KINDS, LEAK_KINDS, OOM

HEALTHY: Final = "healthy"
LEAKY: Final = "leaky"
AT_MARGIN: Final = "at margin"
TINY: Final = "tiny"
TIMED: Final = "timed"


@dataclass(frozen=True, slots=True)
class Task:
    """One trace to simulate and judge."""

    group: str
    kind: str
    seed: int
    hours: float = 4.0
    tick_s: float = 5.0
    multiple: float = 0.0
    again: bool = False
    """Whether the stated minimum detectable leak is planted in a replay and looked for."""


@dataclass(frozen=True, slots=True)
class _Batch:
    group: str
    kinds: tuple[str, ...]
    each: int
    """Traces of each kind and size."""
    hours: float = 4.0
    multiples: tuple[float, ...] = (0.0,)
    again: bool = False


LEAKS: Final = (3.0, 5.0, 10.0, 30.0)
"""Of the recordings of 4 h, in margins."""
BATCHES: Final = (
    _Batch(HEALTHY, HEALTHY_KINDS, 180, again=True),
    _Batch(LEAKY, LEAK_KINDS, 38, multiples=LEAKS),
    _Batch(AT_MARGIN, LEAK_KINDS, 25, multiples=(1,)),
    _Batch(TINY, LEAK_KINDS, 6, multiples=(0.25, 0.5, 2)),
    _Batch(FILLING, (FILLING,), 300),
    _Batch(HEALTHY, HEALTHY_KINDS, 60, hours=8),
    _Batch(LEAKY, LEAK_KINDS, 16, hours=8, multiples=(3, 10)),
    _Batch(HEALTHY, HEALTHY_KINDS, 24, hours=24),
    _Batch(LEAKY, LEAK_KINDS, 6, hours=24, multiples=(3, 10)),
)
REPLAYED: Final = 3
"""One in so many healthy traces is replayed with its minimum detectable leak."""
OOM_SIZE: Final = 10
"""A leak that is to meet its limit within hours is so many times as large as the others."""
TIMED_TRACES: Final = 6


def tasks(first_seed: int, *, share: float = 1.0) -> list[Task]:
    """Return the tasks, ``share`` of the whole; no seed is used twice."""
    seeds = count(first_seed)
    made = [
        Task(
            batch.group,
            kind,
            next(seeds),
            hours=batch.hours,
            multiple=multiple * OOM_SIZE if kind == OOM and multiple >= 3 else multiple,
            again=batch.again and number % REPLAYED == 0,
        )
        for batch in BATCHES
        for kind, multiple, number in product(
            batch.kinds, batch.multiples, range(max(2, round(batch.each * share)))
        )
    ]
    timed = [Task(TIMED, kind, next(seeds), hours=8.0, tick_s=1.0) for kind in HEALTHY_KINDS[:TIMED_TRACES]]
    return made + timed
