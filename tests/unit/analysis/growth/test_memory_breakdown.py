"""Where the memory went, of readings whose parts are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.growth.memory_breakdown import memory_breakdown
from analysis.recording.accounting import account_arm, account_processes
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Phase
from analysis.recording.read import SAMPLE_NUMBERS

LOAD = Phase("load", 100.0, 200.0)
MB = 1e6
NAMES = (
    "anon_bytes",
    "pymalloc_arena_bytes",
    "pymalloc_free_bytes",
    "malloc_in_use_bytes",
    "malloc_free_bytes",
)
CHARGE = ("cgroup_bytes", "cgroup_kernel_bytes", "cgroup_file_bytes")


def rows(*cells: dict[str, float]) -> pd.DataFrame:
    """Readings of one life, accounted for; what is not given was not read."""
    samples = pd.DataFrame(list(cells), columns=list(SAMPLE_NUMBERS), dtype=float)
    return account_arm(account_processes(samples, {}))


def arm(samples: pd.DataFrame, points: pd.DataFrame | None = None) -> Arm:
    """An arm with these readings."""
    nothing = rows() if points is None else points
    return Arm("leaky", "before", None, (), samples, rows(), nothing, pd.DataFrame(), Latency(), ())


def reading(t_s: float, *sizes: float) -> dict[str, float]:
    """One row: own memory, arenas, free of them, native in use, free, then the charge, kernel and file cache; in MB."""
    named = dict(zip((*NAMES, *CHARGE), sizes, strict=False))
    return {"t_s": t_s, "life": 1.0, "shmem_bytes": 0.0, **{name: size * MB for name, size in named.items()}}


def test_the_parts_add_up_to_the_change_of_own_memory() -> None:
    """Also where a part was given back; what no allocator accounts for is the rest."""
    found = memory_breakdown(
        arm(rows(reading(110, 60, 20, 5, 30, 4), reading(190, 100, 50, 10, 37, 1))), LOAD
    )
    assert found is not None
    assert [(name, size / MB) for name, size in found.parts] == [
        ("Python", 25),
        ("native", 7),
        ("rest", 6),
        ("free", 2),
    ]
    assert sum(size for _, size in found.parts) == found.end_bytes - found.start_bytes == 40 * MB
    assert (found.start_s, found.end_s, found.settled, found.charged) == (110, 190, False, False)


def test_the_parts_add_up_to_the_change_of_what_the_limit_charged() -> None:
    """With kernel memory and file cache, and with the pages that processes share after a fork taken off."""
    first = reading(110, 60, 20, 5, 30, 4, 70, 2, 8)
    last = reading(190, 100, 50, 10, 37, 1, 108, 3, 11)
    found = memory_breakdown(arm(rows(first, last)), LOAD)
    assert found is not None
    assert found.charged
    parts = {name: size / MB for name, size in found.parts}
    assert parts["kernel"] == 1
    assert parts["file cache"] == 3
    assert parts["shared after fork"] == -6
    assert sum(parts.values()) == (found.end_bytes - found.start_bytes) / MB == 38


def test_quiesce_points_are_preferred_and_the_last_before_the_load_is_the_start() -> None:
    """Nothing is in flight in them, and cycles are collected."""
    points = rows(*(reading(t, t, 20, 5, 30, 4) for t in (50.0, 95.0, 150.0, 195.0, 230.0)))
    found = memory_breakdown(
        arm(rows(reading(110, 60, 20, 5, 30, 4), reading(190, 99, 20, 5, 30, 4)), points), LOAD
    )
    assert found is not None
    assert (found.start_s, found.end_s, found.settled) == (95, 195, True)
    assert found.rest_bytes == 100 * MB


def test_the_life_that_was_read_longest_counts() -> None:
    """Memory of two processes is never subtracted."""
    dead = [reading(t, 60, 20, 5, 30, 4) for t in (105, 120)]
    alive = [{**reading(t, 70 + t, 20, 5, 30, 4), "life": 2.0} for t in (125, 190)]
    found = memory_breakdown(arm(rows(*dead, *alive)), LOAD)
    assert found is not None
    assert (found.life, found.start_s, found.end_s) == (2, 125, 190)


@pytest.mark.parametrize("missing", ["anon_bytes", "pymalloc_arena_bytes", "malloc_in_use_bytes"])
def test_without_a_reading_there_is_none(missing: str) -> None:
    """A recording of an earlier version, a target without a probe: no picture instead of a wrong one."""
    cells = [reading(110, 60, 20, 5, 30, 4) | {missing: np.nan}, reading(190, 99, 20, 5, 30, 4)]
    assert memory_breakdown(arm(rows(*cells)), LOAD) is None
