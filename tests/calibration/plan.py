"""Which traces are judged, and in what share."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, product
from typing import Final

from tests.calibration.simulator.kinds import (
    DEPLOYS,
    HEALTHY_KINDS,
    LEAK_KINDS,
    LEAK_ON_DEPLOYS,
    OOM,
    SPLIT,
    UNDECIDABLE,
)

HEALTHY: Final = "healthy"
LEAKY: Final = "leaky"
AT_MARGIN: Final = "at margin"
TINY: Final = "tiny"
UNSETTLED: Final = "unsettled"
TIMED: Final = "timed"
SPLIT_LEAK: Final = "split"
ALONE: Final = "alone"
PARTS: Final = "parts"
"""Memory judged alone, by what is read from outside, or by its parts."""


@dataclass(frozen=True, slots=True)
class Task:
    """One trace to simulate and judge."""

    group: str
    kind: str
    seed: int
    hours: float = 4.0
    tick_s: float = 5.0
    multiple: float = 0.0
    by: str = ALONE
    again: bool = False
    """Whether what was stated is tried in a replay: the minimum detectable leak, or how much longer to run."""
    verdict_only: bool = False
    """Whether the minimum detectable leak and the verdicts of other methods are left out."""


@dataclass(frozen=True, slots=True)
class _Batch:
    group: str
    kinds: tuple[str, ...]
    each: int
    """Traces of each kind and size."""
    hours: float = 4.0
    multiples: tuple[float, ...] = (0.0,)
    by: str = ALONE
    again: bool = False

    @property
    def tick_s(self) -> float:
        """Seconds between two readings: each second of a short run, each minute of one of days."""
        return 1.0 if self.hours < 1 else 60.0 if self.hours > 24 else 5.0


LEAKS: Final = (3.0, 5.0, 10.0, 30.0)
"""Of the recordings of 4 h, in margins."""
DAYS: Final = 96.0
"""Hours of a run that has several days of load and of deploys."""
SHORT: Final = 0.5
"""Hours of a run in which a leak of 3 margins and more takes few arenas."""
LEAKS_OF_PARTS: Final = (*(kind for kind in LEAK_KINDS if kind != OOM), *SPLIT)
"""A leak that is repeatedly killed at its limit is one of memory alone."""
BATCHES: Final = (
    _Batch(HEALTHY, HEALTHY_KINDS, 130, again=True),
    _Batch(LEAKY, LEAK_KINDS, 28, multiples=LEAKS),
    _Batch(AT_MARGIN, LEAK_KINDS, 18, multiples=(1,)),
    _Batch(TINY, LEAK_KINDS, 4, multiples=(0.25, 0.5, 2)),
    _Batch(UNSETTLED, UNDECIDABLE, 200),
    _Batch(HEALTHY, HEALTHY_KINDS, 30, hours=SHORT),
    _Batch(LEAKY, LEAK_KINDS, 6, hours=SHORT, multiples=LEAKS),
    _Batch(HEALTHY, HEALTHY_KINDS, 40, hours=8),
    _Batch(LEAKY, LEAK_KINDS, 10, hours=8, multiples=(3, 10)),
    _Batch(HEALTHY, HEALTHY_KINDS, 16, hours=24),
    _Batch(LEAKY, LEAK_KINDS, 4, hours=24, multiples=(3, 10)),
    _Batch(HEALTHY, (DEPLOYS,), 80, hours=DAYS),
    _Batch(LEAKY, (LEAK_ON_DEPLOYS,), 30, hours=DAYS, multiples=(3, 10)),
    _Batch(HEALTHY, HEALTHY_KINDS, 50, by=PARTS),
    _Batch(LEAKY, LEAKS_OF_PARTS, 8, multiples=LEAKS, by=PARTS),
    _Batch(AT_MARGIN, LEAKS_OF_PARTS, 8, multiples=(1,), by=PARTS),
    _Batch(SPLIT_LEAK, tuple(SPLIT), 50, multiples=(1.2,), by=PARTS),
    _Batch(UNSETTLED, UNDECIDABLE, 120, by=PARTS),
    _Batch(HEALTHY, HEALTHY_KINDS, 15, hours=SHORT, by=PARTS),
    _Batch(LEAKY, LEAKS_OF_PARTS, 4, hours=SHORT, multiples=LEAKS, by=PARTS),
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
            tick_s=batch.tick_s,
            multiple=multiple * OOM_SIZE if kind == OOM and multiple >= 3 else multiple,
            by=batch.by,
            again=batch.again and number % REPLAYED == 0,
        )
        for batch in BATCHES
        for kind, multiple, number in product(
            batch.kinds, batch.multiples, range(max(2, round(batch.each * share)))
        )
    ]
    timed = [Task(TIMED, kind, next(seeds), hours=8.0, tick_s=1.0) for kind in HEALTHY_KINDS[:TIMED_TRACES]]
    return made + timed
