"""The memory that NumPy keeps for small arrays, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from typing import Final

import pytest

from tests.support.paths import ROOT

ARRAYS: Final = """
import numpy as np
from psutil import heap_info
from soak.array_cache import fill_array_cache
if {filled}:
    fill_array_cache()
before = heap_info().heap_used
for size in range(1, 2000):
    arrays = [np.empty(size, np.uint8) for _ in range(10)]
    del arrays
print(heap_info().heap_used - before)
"""


@pytest.mark.parametrize(
    ("filled", "least", "most"), [(False, 3_000_000, 4_500_000), (True, -200_000, 200_000)]
)
def test_small_arrays_of_any_size_take_no_more_memory(filled: bool, least: int, most: int) -> None:
    """Once there was one of each size, and NumPy keeps it; else it looks like a leak for hours."""
    grown = subprocess.run(
        [sys.executable, "-c", ARRAYS.format(filled=filled)],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert least < int(grown.stdout) < most
