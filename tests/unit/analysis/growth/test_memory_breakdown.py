"""Where the memory went, of readings whose parts are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from analysis.growth.memory_breakdown import memory_breakdown
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Phase
from analysis.recording.read import SAMPLE_NUMBERS, with_live_bytes

LOAD = Phase("load", 100.0, 200.0)
MB = 1e6


def rows(*cells: dict[str, float]) -> pd.DataFrame:
    """Readings of one life; what is not given was not read."""
    return with_live_bytes(pd.DataFrame(list(cells), columns=list(SAMPLE_NUMBERS), dtype=float))


def arm(samples: pd.DataFrame, points: pd.DataFrame | None = None) -> Arm:
    """An arm with these readings."""
    nothing = rows() if points is None else points
    return Arm("leaky", "before", None, (), samples, rows(), nothing, pd.DataFrame(), Latency(), ())


def reading(
    t_s: float, uss: float, arenas: float, free: float, native: float, kept: float
) -> dict[str, float]:
    """One row; sizes in MB."""
    sizes = {
        "uss_bytes": uss,
        "pymalloc_arena_bytes": arenas,
        "pymalloc_free_bytes": free,
        "malloc_in_use_bytes": native,
        "malloc_free_bytes": kept,
    }
    return {"t_s": t_s, "life": 1.0, **{name: size * MB for name, size in sizes.items()}}


def test_the_parts_add_up_to_the_change_of_uss() -> None:
    """What none of them explains is told as such, also where a part was given back."""
    found = memory_breakdown(
        arm(rows(reading(110, 60, 20, 5, 30, 4), reading(190, 100, 50, 10, 37, 1))), LOAD
    )
    assert found is not None
    assert [(name, size / MB) for name, size in found.parts] == [
        ("live Python", 25),
        ("free in pools", 5),
        ("native in use", 7),
        ("free in malloc", -3),
        ("unexplained", 6),
    ]
    assert sum(size for _, size in found.parts) == found.uss_end_bytes - found.uss_start_bytes == 40 * MB
    assert (found.start_s, found.end_s, found.settled) == (110, 190, False)


def test_quiesce_points_are_preferred_and_the_last_before_the_load_is_the_start() -> None:
    """Nothing is in flight in them, and cycles are collected."""
    points = rows(*(reading(t, t, 20, 5, 30, 4) for t in (50.0, 95.0, 150.0, 195.0, 230.0)))
    found = memory_breakdown(
        arm(rows(reading(110, 60, 20, 5, 30, 4), reading(190, 99, 20, 5, 30, 4)), points), LOAD
    )
    assert found is not None
    assert (found.start_s, found.end_s, found.settled) == (95, 195, True)
    assert found.unexplained_bytes == 100 * MB


def test_the_life_that_was_read_longest_counts() -> None:
    """Memory of two processes is never subtracted."""
    dead = [reading(t, 60, 20, 5, 30, 4) for t in (105, 120)]
    alive = [{**reading(t, 70 + t, 20, 5, 30, 4), "life": 2.0} for t in (125, 190)]
    found = memory_breakdown(arm(rows(*dead, *alive)), LOAD)
    assert found is not None
    assert (found.life, found.start_s, found.end_s) == (2, 125, 190)


@pytest.mark.parametrize("missing", ["uss_bytes", "pymalloc_arena_bytes", "malloc_in_use_bytes"])
def test_without_a_reading_there_is_none(missing: str) -> None:
    """A kernel without smaps_rollup, a target without a probe: no picture instead of a wrong one."""
    cells = [reading(110, 60, 20, 5, 30, 4) | {missing: np.nan}, reading(190, 99, 20, 5, 30, 4)]
    assert memory_breakdown(arm(rows(*cells)), LOAD) is None
