"""Every byte of planted readings, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.judge.types import ARENA_BYTES
from analysis.recording.accounting import (
    FREE,
    HELD,
    NATIVE,
    OWN,
    PARTS,
    PYTHON,
    REST,
    REST_GAIN,
    account_arm,
    account_processes,
)
from analysis.recording.model import Life
from analysis.recording.process_sum import as_one
from analysis.recording.read import SAMPLE_NUMBERS

MIB = 2**20


def rows(**columns: Any) -> pd.DataFrame:
    """Return readings of one process, a second apart, with these columns in MiB; what is not given was not read."""
    count = max(np.size(values) for values in columns.values())
    cells = {
        name: np.broadcast_to(np.asarray(values, float) * MIB, count) for name, values in columns.items()
    }
    frame = pd.DataFrame(cells)
    frame = frame.assign(t_s=np.arange(len(frame)), life=1.0)
    return frame.reindex(columns=[*SAMPLE_NUMBERS, "phase", "rung"])


READ: dict[str, Any] = {
    "anon_bytes": 100,
    "shmem_bytes": 4,
    "pymalloc_arena_bytes": 30,
    "pymalloc_free_bytes": 5,
    "pymalloc_unused_bytes": 0,
    "malloc_in_use_bytes": 40,
    "malloc_free_bytes": 3,
    "malloc_arena_bytes": 43,
    "malloc_top_bytes": 0,
}
"""A process whose parts are 25, 40 and 31 MiB, with 8 MiB free."""


def accounted(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the readings of one process, accounted for."""
    return account_arm(account_processes(samples, {}))


def test_the_parts_and_what_is_free_add_up_to_the_arms_own_memory() -> None:
    """100 MiB of anonymous and 4 MiB of shared memory: 96 in use, of which Python has 25 and malloc 40."""
    row = accounted(rows(**READ)).iloc[0] / MIB
    assert row[[OWN, HELD, PYTHON, NATIVE, REST, FREE]].to_list() == [104, 96, 25, 40, 31, 8]


@pytest.mark.parametrize(
    ("launcher_mib", "expected"), [(0.5, [96.5, 25, 40]), (1.5, [np.nan, np.nan, np.nan])]
)
def test_a_launcher_without_a_probe_is_all_rest(launcher_mib: float, expected: list[float]) -> None:
    """A shell in front of the service hides nothing of it; a process that may be a Python does."""
    samples = pd.concat([rows(**READ), rows(anon_bytes=launcher_mib).assign(life=2.0)], ignore_index=True)
    lives = tuple(Life(k, k, 0.0, 0.0, 9.0, "soak") for k in (1, 2))
    row = account_arm(as_one(account_processes(samples, {}), lives)[0]).iloc[0] / MIB
    np.testing.assert_allclose(row[[HELD, PYTHON, NATIVE]].astype(float), expected)


def test_a_census_of_the_service_is_one_of_the_arm_behind_a_launcher() -> None:
    """A shell has no pools to see; where a second Python was not seen, the sum is not known."""
    seen = rows(**READ, pool_free_bytes=5)
    for other_mib, expected in ((0.5, 5.0), (1.5, np.nan)):
        samples = pd.concat([seen, rows(anon_bytes=other_mib).assign(life=2.0)], ignore_index=True)
        joined, _ = as_one(account_processes(samples, {}), ())
        np.testing.assert_allclose(joined["pool_free_bytes"].iloc[0] / MIB, expected)


def test_memory_of_a_malloc_that_cannot_be_asked_is_in_the_rest() -> None:
    """mimalloc has 43 MiB, in use or free; of Python's allocator 5 MiB are known to be free."""
    silent = dict.fromkeys((name for name in READ if name.startswith("malloc_")), np.nan)
    row = accounted(rows(**(READ | silent))).iloc[0] / MIB
    assert row[[OWN, HELD, PYTHON, NATIVE, REST, FREE]].to_list() == [104, 99, 25, 0, 74, 5]


def test_files_on_tmpfs_that_nobody_maps_are_in_the_rest() -> None:
    """The cgroup charges 54 MiB of shared memory, the process maps 4."""
    row = accounted(rows(**READ, cgroup_shmem_bytes=54)).iloc[0] / MIB
    assert row[[OWN, HELD, REST]].to_list() == [154, 146, 81]


@pytest.mark.parametrize("missing", ["malloc_in_use_bytes", "pymalloc_arena_bytes", "malloc_free_bytes"])
def test_without_the_word_of_an_allocator_there_are_no_parts(missing: str) -> None:
    """A reading is missed: what is held is unknown, never all of it, and the arm's own memory is known."""
    row = accounted(rows(**(READ | {missing: [np.nan, READ[missing]]}))).iloc[0] / MIB
    assert row[OWN] == 104
    assert row[[HELD, REST]].isna().all()


def test_an_arena_that_nobody_touched_is_not_given_back() -> None:
    """It is free by the allocator's account and not in memory: what is held stays the same as pages are touched."""
    touched = {
        "anon_bytes": [100, 100, 100.5, 101],
        "pymalloc_arena_bytes": [30, 31, 31, 31],
        "pymalloc_free_bytes": [5, 6, 5.5, 5],
        "pymalloc_unused_bytes": [0, 1, 0.5, 0],
    }
    found = accounted(rows(**(READ | touched)))
    assert (found[HELD] / MIB).to_list() == [96, 96, 96.5, 97]
    assert (found[REST] / MIB).to_list() == [31] * 4


def test_memory_that_was_in_use_between_two_readings_is_free_not_untouched() -> None:
    """An arena was taken, used and freed before it was read: its pages are in memory, so what is held is the same."""
    touched = {
        "anon_bytes": [100, 101, 101],
        "pymalloc_arena_bytes": [30, 31, 31],
        "pymalloc_free_bytes": [5, 6, 6],
        "pymalloc_unused_bytes": [0, 1, 1],
    }
    found = accounted(rows(**(READ | touched)))
    assert (found[HELD] / MIB).to_list() == [96] * 3


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0, 9), st.booleans()), min_size=1, max_size=20))
def test_the_bound_of_what_was_never_touched_follows_its_rule(steps: list[tuple[int, float, bool]]) -> None:
    """u = min(u + what was newly taken, what is unused), from one arena on, where own memory is what it was.

    A row that was not read is passed over.
    """
    taken, unused, read = (np.array(column) for column in zip(*steps, strict=True))
    samples = rows(
        anon_bytes=np.full(len(taken), 100.0),
        pymalloc_arena_bytes=np.where(read, taken + 9, np.nan),
        pymalloc_free_bytes=np.where(read, 9.0, np.nan),
        pymalloc_unused_bytes=np.where(read, unused, np.nan),
        malloc_in_use_bytes=np.full(len(taken), 1.0),
        malloc_free_bytes=np.full(len(taken), 0.0),
    )
    bound, before, expected = float(ARENA_BYTES) / MIB, None, []
    for at, most, seen in zip(taken + 9, unused, read, strict=True):
        if seen:
            bound = min(bound + max(0, at - (at if before is None else before)), most)
            before = at
        expected.append(9 - bound if seen else np.nan)
    np.testing.assert_allclose(account_processes(samples, {})[FREE] / MIB, expected, atol=1e-9)


def test_native_memory_that_was_never_touched_is_in_no_part() -> None:
    """Of a block of 32 MiB that fills by 4 MiB a reading, native memory has what was touched, and the rest falls to 0.

    So it does again for a second such block; nothing of them is a reserve.
    """
    samples = accounted(
        rows(
            **(
                READ
                | {
                    "shmem_bytes": 0,
                    "anon_bytes": [100, 104, 108, 112],
                    "malloc_in_use_bytes": [40, 104, 104, 136],
                }
            )
        )
    )
    assert (samples[NATIVE] / MIB).to_list() == [40, 71, 75, 79]
    assert (samples[REST] / MIB).to_list() == [27, 0, 0, 0]
    assert (samples[REST_GAIN] / MIB).to_list() == [0, 0, 0, 0]


def test_the_gain_of_the_rest_is_counted_from_when_each_process_is_ready() -> None:
    """A process that gains 3 MiB and one that gains 2 beside one that falls make 5; the start itself does not count."""
    first = rows(**(READ | {"anon_bytes": [60, 100, 103, 103]})).assign(life=1.0)
    second = rows(**(READ | {"anon_bytes": [100, 100, 101, 102]})).assign(life=2.0)
    third = rows(**(READ | {"anon_bytes": [100, 100, 99, 90]})).assign(life=3.0)
    samples = pd.concat([first, second, third]).sort_values(["t_s", "life"], ignore_index=True)
    summed, _ = as_one(
        account_processes(samples, {1: 0.5}), tuple(Life(k, k, 0.0, 0.0, 9.0, "soak") for k in (1, 2, 3))
    )
    assert (account_arm(summed)[REST_GAIN] / MIB).to_list()[1:] == [0, 4, 5]


@pytest.mark.parametrize(("mapped", "reserve"), [(0, [0, 0, 0]), ([1, 3, 2], [0, 2, 1]), (np.nan, [0, 6, 4])])
def test_free_memory_may_be_in_shared_memory_that_a_process_maps(mapped: Any, reserve: list[float]) -> None:
    """A file on tmpfs is in use, however much it grew; where what is mapped was not read, all of it may be free."""
    samples = accounted(rows(**(READ | {"shmem_bytes": mapped, "cgroup_shmem_bytes": [2, 8, 6]})))
    assert (samples[REST_GAIN] / MIB).to_list() == reserve
    assert (samples[OWN] / MIB).to_list() == [102, 108, 106]


def test_a_process_without_a_probe_leaves_the_arm_without_parts() -> None:
    """Its own memory is part of the arm's; what of it is free nobody can tell."""
    probed = rows(**READ).assign(life=1.0)
    other = rows(anon_bytes=7, shmem_bytes=0).assign(life=2.0)
    samples = pd.concat([probed, other], ignore_index=True)
    lives = tuple(Life(k, k, 0.0, 0.0, 9.0, "soak") for k in (1, 2))
    summed = account_arm(as_one(account_processes(samples, {}), lives)[0])
    assert summed[OWN].to_list() == [111 * MIB]
    assert summed[[HELD, *PARTS]].isna().all().all()
