"""How fine the sizes of a recording are, by the decimals of their cells: ``12.01GiB`` says nothing about 1 MiB."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import numpy as np

from analysis.formatting import format_bytes
from analysis.judge.types import ARENA_BYTES, Numbers

PAGE_BYTES: Final = 4096
"""Bytes of which the memory of a process is a multiple: its pages, of 4, 16 or 64 KiB."""

Written = tuple[float, int, int]
"""A number as it is written: its unit in bytes, the digits before its decimal point, its decimals."""


def as_written(number: str, unit_bytes: float) -> Written:
    """Return how a number above 0 is written: ``12.01`` has 2 digits before the point and 2 decimals, ``2e8`` 9 and -8.

    Raises decimal.InvalidOperation where it is no finite number.
    """
    parts = Decimal(number)
    return unit_bytes, parts.adjusted() + 1, -int(parts.as_tuple().exponent)


def resolutions(written: list[Written | None]) -> Numbers:
    """Return the bytes by which each cell's next number differs from it, shape (n,); NaN where ``written`` is None.

    A cell may have lost zeros at its end, so all cells of its unit count: one number has as many decimals as another,
    less one for each digit that it has more before the point, as numbers of four digits in all have. A unit of which
    only numbers of one digit were seen, as ``1GiB`` among MiB, has lost as many zeros as the numbers of others have.
    """
    seen: dict[float, dict[int, int]] = {}
    for unit_bytes, digits, decimals in filter(None, written):
        most = seen.setdefault(unit_bytes, {})
        most[digits] = max(decimals, most.get(digits, decimals))
    figures = max(
        (digits + decimals for most in seen.values() for digits, decimals in most.items() if decimals > 0),
        default=1,
    )
    for most in seen.values():
        if most == {1: 0}:
            most[1] = figures - 1
    step = {
        (unit_bytes, digits): unit_bytes
        * 10.0 ** -max(decimals - max(0, digits - other) for other, decimals in most.items())
        for unit_bytes, most in seen.items()
        for digits in most
    }
    return np.array([np.nan if one is None else step[one[:2]] for one in written], dtype=np.float64)


def coarsest(resolution: Numbers) -> float:
    """Return the resolution of a process by those of its cells, bytes; 0 where none was read."""
    return float(np.max(resolution, initial=0.0, where=np.isfinite(resolution)))


def rounding_text(column: str, resolution_bytes: float) -> str:
    """Return that a column is coarser than what memory grows by, and the fix; empty where it is not."""
    if resolution_bytes < 2 * ARENA_BYTES:
        return ""
    return f"{column} is rounded to {format_bytes(resolution_bytes)}, which hides what leaks: record bytes or KiB"
