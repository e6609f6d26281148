"""Free memory by the target's own account, and what of it is confirmed from outside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import theilslopes

from analysis.judge.sen_slope import sen_slope
from analysis.recording.accounting import account_arm, account_processes
from analysis.recording.model import Phase
from analysis.recording.process_sum import as_one
from analysis.recording.read import SAMPLE_NUMBERS
from analysis.verdict.other_explanations import ReportedFree, reported_free
from soak.contract import LOAD
from tests.unit.analysis.verdict.test_signals import LOAD_PHASE, PARTED, SECONDS, arm, rows

MB = 1e6
SINCE_LOAD = np.clip(SECONDS - 100.0, 0.0, 100.0) / 100.0
"""From 0 at the start of the load to 1 at its end."""
CENSUSES = np.where(SECONDS % 10 == 0, 0.0, np.nan)
"""Added to what censuses see: one each ten seconds."""


def pools(reported: object, seen: object = np.nan, own: object = 90 * MB) -> ReportedFree:
    """Return the free memory of an arm with these bytes free in Python's pools, reported and seen."""
    columns = PARTED | {
        "pymalloc_arena_bytes": 100 * MB,
        "pymalloc_free_bytes": reported,
        "pymalloc_unused_bytes": 0.0,
        "pool_free_bytes": seen,
        "anon_bytes": own,
    }
    return reported_free(arm(rows(SECONDS, **columns)), LOAD_PHASE)


@pytest.mark.parametrize(
    ("gained_bytes", "unconfirmed_bytes"), [(9e6, 4e6), (5e6, 0.0), (2e6, 0.0), (np.nan, 0.0)]
)
def test_free_memory_of_malloc_is_confirmed_by_what_trimming_gives_back(
    gained_bytes: float, unconfirmed_bytes: float
) -> None:
    """The trim returned 5 MB: of what malloc gained, the rest is free by its own account alone."""
    malloc = np.where(SECONDS < 150, 200e6, 200e6 + gained_bytes)
    ladder = rows(np.array([1.0, 2.0, 3.0]), **(PARTED | {"anon_bytes": [90e6, 80e6, 75e6]}))
    ladder["rung"] = ["drained", "collected", "trimmed"]
    samples = rows(SECONDS, **(PARTED | {"malloc_free_bytes": malloc}))
    found = reported_free(arm(samples, ladder=ladder), LOAD_PHASE)
    assert found.trimmed == 5e6
    assert found.unconfirmed == pytest.approx(unconfirmed_bytes)


def test_without_a_ladder_no_free_memory_of_malloc_is_confirmed() -> None:
    """All that malloc gained is its own account."""
    malloc = np.where(SECONDS < 150, 200e6, 203e6)
    found = reported_free(arm(rows(SECONDS, **(PARTED | {"malloc_free_bytes": malloc}))), LOAD_PHASE)
    assert found.trimmed is None
    assert found.unconfirmed == 3e6


def test_free_memory_that_censuses_see_is_confirmed() -> None:
    """However much it is, and however it came: in one step, steadily, or in waves between two censuses."""
    for free in (
        np.where(SECONDS < 150, 1 * MB, 40 * MB),
        40 * MB * SINCE_LOAD,
        5 * MB + 4 * MB * np.sin(SECONDS / 3),
    ):
        found = pools(free, free + CENSUSES, own=90 * MB + free)
        assert found.unseen is not None
        assert found.unconfirmed < 0.1 * MB


@pytest.mark.parametrize("every_s", [1, 9])
@pytest.mark.parametrize(("seen_share", "unconfirmed_bytes"), [(1.0, 0.0), (0.0, 90 * MB)])
def test_what_was_freed_since_the_census_is_no_free_memory_that_it_missed(
    every_s: int, seen_share: float, unconfirmed_bytes: float
) -> None:
    """A job uses a buffer, larger each time, for 9 of 18 s; in long loads the row after a census is seconds later."""

    def free(t_s: np.ndarray) -> np.ndarray:
        return 90 * MB * t_s / 7200 + 400 * MB * t_s / 7200 * (t_s % 18 >= 9)

    t_s = np.arange(0.0, 7200.0, every_s)
    census_s = np.where(t_s % 270 == 9, t_s - 1, np.nan)
    columns = PARTED | {
        "pymalloc_arena_bytes": 500 * MB,
        "pymalloc_free_bytes": free(t_s),
        "pymalloc_unused_bytes": 0.0,
        "pool_free_bytes": seen_share * free(census_s),
    }
    found = reported_free(arm(rows(t_s, **columns)), Phase(LOAD, 0.0, 7200.0))
    assert found.unconfirmed == pytest.approx(unconfirmed_bytes, abs=2 * MB)


def test_memory_that_was_never_touched_is_no_free_memory_that_a_census_misses() -> None:
    """A constant difference, as of the pools that are being filled, is none that grew."""
    free = 2 * MB + 10 * MB * SINCE_LOAD
    assert pools(free, free - 1.5 * MB + CENSUSES).unconfirmed < 0.1 * MB


def test_free_memory_that_no_census_sees_is_the_targets_word_alone() -> None:
    """10 MB/s leak, live flat and free forged: nothing of it is in pools. Nor is half of it where half is real."""
    forged = 1000 * MB * SINCE_LOAD
    found = pools(forged, 0.3 * MB + CENSUSES, own=90 * MB + forged)
    assert found.unconfirmed == pytest.approx(1000 * MB, rel=0.1)
    half = pools(forged, forged / 2 + CENSUSES, own=90 * MB + forged)
    assert half.unconfirmed == pytest.approx(500 * MB, rel=0.15)


def test_a_leak_into_free_memory_that_is_reported_as_constant_is_seen() -> None:
    """Own memory does not move: only the census sees that what was free is used up."""
    found = pools(50 * MB, 50 * MB * (1 - SINCE_LOAD) + CENSUSES)
    assert found.own == 0
    assert found.unconfirmed == pytest.approx(50 * MB, rel=0.1)


@pytest.mark.parametrize(
    "censuses",
    [np.nan, np.where(SECONDS > 198, 0.0, np.nan), np.where((SECONDS > 130) & (SECONDS < 150), 0.0, np.nan)],
    ids=["none", "two", "too short a part of the load"],
)
def test_without_censuses_free_memory_is_unconfirmed_as_far_as_own_memory_grew(
    censuses: float | np.ndarray,
) -> None:
    """What became free of memory that was there before hides no growth."""
    free = 20 * MB * SINCE_LOAD
    found = pools(free, free + censuses, own=90 * MB + free / 2)
    assert found.unseen is None
    assert found.unconfirmed == pytest.approx(10 * MB, rel=0.1)
    assert pools(free, free + censuses).unconfirmed == 0.0


def test_what_several_processes_report_is_confirmed_where_a_census_saw_each() -> None:
    """The sums are compared; where a process was not seen, none are."""

    def of(life: float, seen: object) -> pd.DataFrame:
        free = 10 * MB * SINCE_LOAD
        columns = PARTED | {
            "pymalloc_free_bytes": free,
            "pymalloc_unused_bytes": 0.0,
            "anon_bytes": 90 * MB + free,
        }
        return pd.DataFrame({"t_s": SECONDS, "life": life, **columns, "pool_free_bytes": seen})

    def both(first: object, second: object) -> ReportedFree:
        frame = pd.concat([of(1.0, first), of(2.0, second)]).sort_values(["t_s", "life"], ignore_index=True)
        frame = frame.reindex(columns=[*SAMPLE_NUMBERS, "phase", "rung"])
        joined, _ = as_one(account_processes(frame, {}), ())
        return reported_free(arm(account_arm(joined)), LOAD_PHASE)

    free = 10 * MB * SINCE_LOAD
    assert both(free + CENSUSES, free + CENSUSES).unconfirmed < 0.2 * MB
    assert both(free + CENSUSES, np.nan).unconfirmed == pytest.approx(20 * MB, rel=0.1)


@pytest.mark.parametrize("points", [3, 17, 200])
def test_the_slope_is_that_of_scipy(points: int) -> None:
    """Also where two readings have one time."""
    random = np.random.default_rng(points)
    t_s = np.sort(random.integers(0, 2 * points, points)).astype(float)
    value = 3 * t_s + random.normal(0, 5, points)
    assert sen_slope(value, t_s) == pytest.approx(theilslopes(value, t_s).slope)


@pytest.mark.parametrize("boundary_s", [250.0, 190.0])
def test_a_life_that_begins_late_hides_no_free_memory_that_was_gained_before(boundary_s: float) -> None:
    """1 MB/s is free by the target's word alone; where a worker is replaced near the end, a new life begins."""
    forged = 100 * MB * SINCE_LOAD
    columns = PARTED | {"pymalloc_free_bytes": 1 * MB + forged, "anon_bytes": 90 * MB + forged}
    samples = rows(SECONDS, **columns, pool_free_bytes=1 * MB + CENSUSES)
    samples["life"] = 1.0 + (boundary_s <= SECONDS)
    found = reported_free(arm(samples), LOAD_PHASE)
    assert found.unconfirmed / found.share == pytest.approx(100 * MB, rel=0.1)


def test_a_process_that_is_there_throughout_is_looked_at_where_others_come_and_go() -> None:
    """In no stretch is much gained; over the load the main process has 100 MB free by its own word."""
    forged = 100 * MB * SINCE_LOAD
    columns = PARTED | {"pymalloc_free_bytes": 1 * MB + forged, "anon_bytes": 90 * MB + forged}
    quiet = rows(SECONDS, **(PARTED | {"pymalloc_free_bytes": 1 * MB}))
    quiet["life"] = np.arange(len(SECONDS)) // 20 + 1.0
    main = rows(SECONDS, **columns, pool_free_bytes=1 * MB + CENSUSES)
    found = reported_free(replace(arm(quiet), by_process=main), LOAD_PHASE)
    assert found.unconfirmed / found.share == pytest.approx(100 * MB, rel=0.1)
