from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.growth.classify import FILES_ON_TMPFS, FOREIGN, MAPPINGS, THREAD_STACKS
from analysis.growth.from_signals import _rest_suspects
from analysis.growth.rest_of_memory import GrowthBeside, growth_beside, kind_of_rest, name_of_rest
from analysis.judge.types import Rate
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Phase

LEAK = 1_000_000.0
NOTHING = GrowthBeside(10.0, 0.0, 4096.0, 0.0, "glibc", ())
LOAD = Phase("load", 10.0, 20.0)


@pytest.mark.parametrize(
    ("beside", "kind", "why"),
    [
        (
            replace(NOTHING, charged_bytes=1.02 * LEAK),
            FILES_ON_TMPFS,
            "shared memory of the limit's charge grew by 996 KiB, that of the processes by 0 B",
        ),
        (
            replace(NOTHING, mapped_bytes=LEAK, charged_bytes=1.02 * LEAK),
            MAPPINGS,
            "shared memory that the process maps grew by 977 KiB",
        ),
        (
            replace(NOTHING, mapped_bytes=LEAK, charged_bytes=math.nan),
            MAPPINGS,
            "shared memory that the process maps grew by 977 KiB",
        ),
        (
            NOTHING,
            MAPPINGS,
            "private memory grows that neither Python's allocator nor glibc counts",
        ),
        (
            replace(NOTHING, foreign=("arrow", "duckdb")),
            FOREIGN,
            "loaded, with an allocator that cannot be asked: arrow, duckdb",
        ),
        (
            replace(NOTHING, allocator="", foreign=("mimalloc",)),
            FOREIGN,
            "loaded, with an allocator that cannot be asked: mimalloc",
        ),
        (replace(NOTHING, allocator=""), FOREIGN, "the allocator behind malloc cannot be asked"),
    ],
)
def test_the_kind_follows_what_grows_beside_it(beside: GrowthBeside, kind: str, why: str) -> None:
    """Shared memory is told by who maps it, private memory by the allocators that the process has."""
    found = kind_of_rest(LEAK, beside, threads_leak=False)
    assert (found.name, found.why) == (kind, why)


def test_a_foreign_allocator_is_named_by_its_library() -> None:
    """What has no library to name is named by its kind."""
    both = replace(NOTHING, foreign=("arrow", "duckdb"))
    unknown = replace(NOTHING, allocator="")
    for beside, name in ((both, "arrow, duckdb"), (unknown, FOREIGN), (NOTHING, MAPPINGS)):
        assert name_of_rest(kind_of_rest(LEAK, beside, threads_leak=False), beside) == name


def test_threads_explain_it_only_where_their_number_is_a_leak() -> None:
    """A pool that starts a few threads under load does not make mappings into stacks."""
    some = replace(NOTHING, threads=50.0)
    assert kind_of_rest(LEAK, some, threads_leak=False).name == MAPPINGS
    found = kind_of_rest(LEAK, some, threads_leak=True)
    assert (found.name, found.why) == (THREAD_STACKS, "threads grow in number, 19.5 KiB for each")
    assert kind_of_rest(LEAK, replace(some, charged_bytes=LEAK), threads_leak=True).name == FILES_ON_TMPFS


def test_shared_memory_that_grows_less_than_half_of_it_is_no_explanation() -> None:
    """Some of the charge, or a mapping that shrinks, may move beside a leak elsewhere."""
    beside = replace(NOTHING, mapped_bytes=-LEAK, charged_bytes=0.4 * LEAK)
    assert kind_of_rest(LEAK, beside, threads_leak=False).name == MAPPINGS


def _arm(rows: list[dict[str, float | str]]) -> Arm:
    return Arm(
        "a", "", None, (), pd.DataFrame(rows), pd.DataFrame(), pd.DataFrame(), pd.DataFrame(),
        Latency(), (),
    )  # fmt: skip


def test_growth_is_that_of_the_longest_life_under_load() -> None:
    """The level before the load, and that of a life that was short, are no part of it."""
    shared = {"allocator": "jemalloc", "foreign_allocators": ""}
    rows: list[dict[str, float | str]] = [
        {"t_s": 5.0, "life": 1.0, "shmem_bytes": 0.0, "cgroup_shmem_bytes": 0.0, "threads": 1.0, **shared},
        {"t_s": 11.0, "life": 1.0, "shmem_bytes": 9e9, "cgroup_shmem_bytes": 1.0, "threads": 1.0, **shared},
        {"t_s": 12.0, "life": 2.0, "shmem_bytes": 10.0, "cgroup_shmem_bytes": math.nan, "threads": 1.0,
         "allocator": "jemalloc", "foreign_allocators": "jemalloc polars"},
        {"t_s": 13.0, "life": 2.0, "shmem_bytes": math.nan, "cgroup_shmem_bytes": math.nan, "threads": 3.0,
         "allocator": "", "foreign_allocators": ""},
        {"t_s": 14.0, "life": 2.0, "shmem_bytes": 30.0, "cgroup_shmem_bytes": math.nan, "threads": 4.0, **shared},
    ]  # fmt: skip
    found = growth_beside(_arm(rows), LOAD)
    assert found is not None
    assert math.isnan(found.charged_bytes)
    assert replace(found, charged_bytes=0.0) == GrowthBeside(2.0, 20.0, 0.0, 3.0, "jemalloc", ("polars",))


@pytest.mark.parametrize("lives", [1, 3])
def test_of_an_arm_that_was_restarted_the_growth_of_one_life_is_compared(lives: int) -> None:
    """All of the rest is files on tmpfs, that each life begins anew."""
    each_s = 9.0 / lives
    rows = [
        {"t_s": 10.5 + each_s * life + t_s, "life": float(life), "shmem_bytes": 0.0, "cgroup_shmem_bytes": LEAK * t_s,
         "threads": 1.0, "allocator": "glibc", "foreign_allocators": ""}
        for life in range(lives) for t_s in np.linspace(0.0, 0.9 * each_s, 10)
    ]  # fmt: skip
    rate = Rate(LEAK, LEAK, LEAK)
    (found,) = _rest_suspects(_arm(rows), LOAD, (None, rate), threads_leak=False)
    assert found.kind == FILES_ON_TMPFS


def test_a_recording_without_the_columns_has_no_growth_beside() -> None:
    """A recording of before these readings, or a load without any, gives nothing that could be taken for a zero."""
    found = growth_beside(_arm([{"t_s": 11.0, "life": 1.0}, {"t_s": 12.0, "life": 1.0}]), LOAD)
    assert found is not None
    assert math.isnan(found.mapped_bytes)
    assert math.isnan(found.threads)
    assert (found.allocator, found.foreign) == ("", ())
    assert growth_beside(_arm([{"t_s": 5.0, "life": 1.0}]), LOAD) is None
