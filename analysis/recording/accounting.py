"""Every byte of an arm, reading by reading: its own memory, what of it is in use, and in which part.

``own`` is what its limit can kill for beside kernel memory: anonymous memory, swapped out or not, and shared memory.
``held`` is ``own`` less what the allocators that can be asked have free in memory. Its parts are ``python``, ``native``
and ``rest``: held - python - native, which is memory of allocators that cannot be asked, mappings, stacks, shared
memory and files on tmpfs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from analysis.judge.types import ARENA_BYTES

OWN: Final = "own_bytes"
HELD: Final = "held_bytes"
PYTHON: Final = "python_bytes"
NATIVE: Final = "native_bytes"
REST: Final = "rest_bytes"
FREE: Final = "free_bytes"
"""Column of the samples made when they are read: free memory of the allocators that is in memory."""
PYTHON_FREE: Final = "python_free_bytes"
"""Column of the samples made when they are read: free memory of Python's allocator that is in memory, as it reports."""
REST_GAIN: Final = "rest_gain_bytes"
"""Column of the samples made when they are read: by how much memory that no allocator accounts for, and that may be
free, is above that of each process when it got ready; a process that is below counts for nothing. What a file on tmpfs
takes is in use."""
CHARGED: Final = "charged_bytes"
"""Column of the samples made when they are read: what the memory limit charges, less what is given back under
pressure, as file cache."""
KERNEL: Final = "cgroup_kernel_bytes"
"""Column of samples.csv: kernel memory of the limit's charge, which is memory of no process."""
PARTS: Final = (PYTHON, NATIVE, REST)
POOLS_SEEN: Final = "pool_free_bytes"
"""Column of samples.csv: free memory of Python's allocator that a census saw from outside."""
OF_PROCESS: Final = (PYTHON, NATIVE, FREE, PYTHON_FREE, REST_GAIN, POOLS_SEEN, "anon_bytes")
"""Columns whose sum over the processes of an arm is known only where each of them was read."""
MOST_LAUNCHER_BYTES: Final = 1 << 20
"""Anonymous memory up to which a process that never had a probe is a launcher, bytes: a shell or an init has 0.1 to 0.3
MiB, a Python that imported nothing 1.9 to 2.6 MiB. All of it is in the rest."""
TOP_PAD_BYTES: Final = 132 * 1024
"""Bytes that glibc's malloc takes from the system at a time: M_TOP_PAD of mallopt(3), and a page."""


def account_processes(samples: pd.DataFrame, ready_s: Mapping[int, float]) -> pd.DataFrame:
    """Return ``samples``, rows of single processes in order of time, with the columns OF_PROCESS.

    Memory of a malloc that never answered in a life, as mimalloc's, is in no part of its own: NATIVE is 0; nor is that
    of a launcher: PYTHON is 0, too. Of large blocks, malloc counts what was never touched, too; NATIVE is at most what
    is in memory beside Python and FREE.
    ``ready_s`` is when each life got ready, seconds since the run's start; a life that is missing was ready at once.
    """
    by_life = samples.groupby("life", sort=False)
    launchers = (by_life["pymalloc_arena_bytes"].transform("count") == 0) & (
        by_life["anon_bytes"].transform("max") <= MOST_LAUNCHER_BYTES
    )
    samples = samples.assign(
        **{
            name: samples[name].mask(launchers, 0.0)
            for name in ("pymalloc_arena_bytes", "pymalloc_free_bytes", POOLS_SEEN)
        }
    )
    python = samples["pymalloc_arena_bytes"] - samples["pymalloc_free_bytes"]
    cannot_be_asked = python.notna() & (by_life["malloc_in_use_bytes"].transform("count") == 0)
    native, malloc_free = (
        samples[name].mask(cannot_be_asked, 0.0) for name in ("malloc_in_use_bytes", "malloc_free_bytes")
    )
    free = samples["pymalloc_free_bytes"] + malloc_free
    unaccounted = samples["anon_bytes"] - python - native - free
    untouched, untouched_python = (pd.Series(0.0, index=samples.index) for _ in range(2))
    for _, rows in by_life:
        rest = unaccounted[rows.index]
        of_python = _untouched(rows["pymalloc_arena_bytes"], rows["pymalloc_unused_bytes"], rest, ARENA_BYTES)
        of_malloc = _untouched(rows["malloc_arena_bytes"], rows["malloc_top_bytes"], rest, TOP_PAD_BYTES)
        untouched[rows.index] = of_python + of_malloc
        untouched_python[rows.index] = of_python
    too_much = (-unaccounted - untouched).clip(lower=0.0).fillna(0.0)
    native, unaccounted = native - too_much, unaccounted + too_much
    is_ready = samples["t_s"] >= samples["life"].map(ready_s).astype(float).fillna(-np.inf)
    at_start = unaccounted.where(is_ready).groupby(samples["life"]).transform("first")
    return samples.assign(
        **{
            PYTHON: python,
            NATIVE: native,
            FREE: (free - untouched).where(python.notna() & native.notna()),
            PYTHON_FREE: samples["pymalloc_free_bytes"] - untouched_python,
            REST_GAIN: (unaccounted - at_start).clip(lower=0.0),
        }
    )


def account_arm(samples: pd.DataFrame) -> pd.DataFrame:
    """Return ``samples``, one row a reading of the arm, with the columns of its own memory, what is held, and REST.

    Shared memory is what the limit's cgroup charges, which has files on tmpfs that no process maps; without a cgroup it
    is what the processes map. Only in what they map can an allocator have free memory.
    """
    charged, mapped = samples["cgroup_shmem_bytes"], samples["shmem_bytes"]
    shared = charged if charged.notna().any() else mapped
    own = samples["anon_bytes"] + shared
    held = own - samples[FREE]
    may_be_free = shared.clip(upper=mapped.fillna(np.inf))
    known = may_be_free.dropna()
    gained = (may_be_free - known.iloc[0]).clip(lower=0.0) if len(known) else 0.0
    return samples.assign(
        **{
            OWN: own,
            HELD: held,
            REST: held - samples[PYTHON] - samples[NATIVE],
            REST_GAIN: samples[REST_GAIN] + gained,
            CHARGED: samples["cgroup_bytes"] - samples["cgroup_file_bytes"],
        }
    )


def _untouched(
    taken: pd.Series[float], unused: pd.Series[float], rest: pd.Series[float], step_bytes: float
) -> pd.Series[float]:
    """Return the free bytes of one allocator of one process that were never touched, so are not in memory.

    What is newly ``taken`` from the system is free before a page of it is touched, and then ``rest``, memory without
    what the allocators have in use or free, falls by as much. The bound, row by row:
    u = min(u + min(gain of taken, fall of rest), unused), where u begins at one step. 0 where it is not known.
    """
    read = (taken.notna() & unused.notna() & rest.notna()).to_numpy(bool)
    untouched = np.zeros(len(taken))
    if read.any():
        gained, fell = (
            np.maximum(np.diff(column.to_numpy(float)[read], prepend=column[read].iloc[0]), 0.0)
            for column in (taken, -rest)
        )
        so_far = np.cumsum(np.minimum(gained, fell))
        at_most = unused.to_numpy(float)[read]
        at_most[0] = min(at_most[0], step_bytes)
        # The recursion in closed form: what was taken since each bound, at the tightest.
        untouched[read] = np.minimum.accumulate(at_most - so_far) + so_far
    return pd.Series(untouched, index=taken.index)
