"""The table of types of a census, of classes of our own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from soak.heap.cpython import layout
from soak.heap.cpython.memory import ProcessMemory
from soak.heap.cpython.type_table import TypeTable


def table_of(memory: ProcessMemory, classes: Sequence[type]) -> TypeTable:
    """Return a table of classes that were made at run time."""
    addresses = np.array([id(one) for one in classes], np.uint64)
    rows = memory.read_each(addresses, layout.TYPE_BYTES).view(np.uint64)
    zeros = np.zeros(len(addresses), np.int64)
    yes = np.ones(len(addresses), np.bool_)
    names_at, dicts = rows[:, layout.TP_NAME // 8], rows[:, layout.TP_DICT // 8]
    shapes = zeros.astype(np.uint8)
    return TypeTable(addresses, zeros, zeros, zeros, zeros.astype(np.uint16), shapes, yes, names_at, dicts)
