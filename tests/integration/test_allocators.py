"""The probe's figures of malloc under real allocators, against planted memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from ctypes.util import find_library
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.pythons import find_interpreter

pytestmark = pytest.mark.integration

PLANTED = 50_000_000
PYTHONS = {
    sys.executable,
    shutil.which("python3", path="/usr/bin") or sys.executable,
    *(found for version in ("3.14", "3.15") if (found := find_interpreter(version))),
}
"""This one, that of the system, which may be linked otherwise, and the newest."""
PLANT = """
import ctypes, json, sys
from soak_probe import allocators
library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
size, planted = int(sys.argv[1]), int(sys.argv[2])
kept = [0] * (planted // size)
readings = [allocators.malloc()]
for index in range(len(kept)):
    kept[index] = library.malloc(size)
readings.append(allocators.malloc())
for block in kept:
    library.free(block)
readings.append(allocators.malloc())
allocators.trim()
readings.append(allocators.malloc())
print(json.dumps([allocators.ALLOCATOR, allocators.pymalloc(), readings]))
"""


def run(python: str, size: int, preload: str = "", **variables: str) -> Any:
    """Plant blocks of ``size`` and return the allocator found, the figures of pymalloc, and four readings of malloc."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "soak" / "probe"),
        "LD_PRELOAD": preload,
        **variables,
    }
    ran = subprocess.run(
        [python, "-S", "-c", PLANT, str(size), str(PLANTED)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    return json.loads(ran.stdout)


def library_of(allocator: str) -> str:
    """Return the shared object to preload; "" for glibc. Skips where it is not installed."""
    name = {"glibc": "", "tcmalloc": "tcmalloc_minimal"}.get(allocator, allocator)
    found = find_library(name) if name else ""
    if found is None:
        pytest.skip(f"lib{name} is not installed")
    return found


@pytest.mark.parametrize("python", sorted(PYTHONS))
@pytest.mark.parametrize("size", [300, 5_000, 1_000_000])
@pytest.mark.parametrize("allocator", ["glibc", "jemalloc", "tcmalloc"])
def test_planted_memory_is_in_use_and_then_free(allocator: str, size: int, python: str) -> None:
    """50 MB of malloc are seen within a size class of the allocator, and are no more in use when they are freed."""
    found, _, (before, planted, freed, trimmed) = run(python, size, library_of(allocator))
    assert found == allocator
    grown = planted["malloc_in_use_bytes"] - before["malloc_in_use_bytes"]
    assert PLANTED <= grown <= 1.12 * PLANTED
    assert abs(freed["malloc_in_use_bytes"] - before["malloc_in_use_bytes"]) < 0.02 * PLANTED
    assert trimmed["malloc_free_bytes"] < 0.2 * PLANTED


@pytest.mark.parametrize("python", sorted(PYTHONS))
def test_an_allocator_that_cannot_be_asked_has_no_figures(python: str) -> None:
    """Under mimalloc that of the C library is idle: its 0 is no reading."""
    assert run(python, 5_000, library_of("mimalloc"))[::2] == ["", [{}] * 4]


def test_a_preload_that_is_not_there_changes_nothing() -> None:
    """The loader ignores it, and what is behind malloc is found, not what was asked for."""
    found, _, (before, planted, *_) = run(sys.executable, 5_000, "/nowhere/libjemalloc.so.2")
    assert found == "glibc"
    assert PLANTED <= planted["malloc_in_use_bytes"] - before["malloc_in_use_bytes"] < 1.05 * PLANTED


@pytest.mark.parametrize("python", sorted(PYTHONS))
def test_python_without_its_own_allocator_keeps_its_objects_in_malloc(python: str) -> None:
    """With PYTHONMALLOC=malloc pymalloc has no arenas, and malloc is asked as ever."""
    found, pymalloc, (before, planted, *_) = run(python, 5_000, PYTHONMALLOC="malloc")
    assert (found, pymalloc) == ("glibc", [0, 0, 0])
    assert PLANTED <= planted["malloc_in_use_bytes"] - before["malloc_in_use_bytes"] < 1.05 * PLANTED


def test_one_arena_or_many_the_sum_is_the_same() -> None:
    """MALLOC_ARENA_MAX moves what is free, not what is in use."""
    for most in ("1", "8"):
        _, _, (before, planted, *_) = run(sys.executable, 5_000, MALLOC_ARENA_MAX=most)
        assert PLANTED <= planted["malloc_in_use_bytes"] - before["malloc_in_use_bytes"] < 1.05 * PLANTED
