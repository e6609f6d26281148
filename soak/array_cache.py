"""The memory that NumPy keeps for small arrays, taken at once: later it would look like a leak, for hours."""

from __future__ import annotations

from typing import Final

import numpy as np

SMALL_ARRAY_BYTES: Final = 1024
CACHED_ARRAYS: Final = 7
"""NumPy keeps the memory of so many freed arrays of each size below SMALL_ARRAY_BYTES (NBUCKETS and NCACHE in its
alloc.c): 3.7 MB, which arrays of many sizes take hours to fill."""


def fill_array_cache() -> None:
    """Make and free as many small arrays as NumPy keeps, so that the memory of this process is flat from now on."""
    sizes = range(1, SMALL_ARRAY_BYTES)
    arrays = [np.empty(size, np.uint8) for size in sizes for _ in range(CACHED_ARRAYS)]
    arrays.clear()
