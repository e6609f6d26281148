"""How fine sizes are, by their decimals."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.external.cells import CellColumn, read_memory
from analysis.external.resolution import rounding_text
from analysis.formatting import KIB, MIB

GIB = 1024 * MIB


@pytest.mark.parametrize(
    ("cells", "unit_bytes", "resolution"),
    [
        (("12.01GiB / 16GiB", "12.02GiB / 16GiB"), None, [GIB / 100] * 2),
        (("12.0g", "12.1g"), None, [GIB / 10] * 2),
        (("12.01", "12"), GIB, [GIB / 100] * 2),
        (("9.998GiB", "10GiB", "10.01GiB"), None, [GIB / 1000, GIB / 100, GIB / 100]),
        (("9.998GiB", "10GiB"), None, [GIB / 1000, GIB / 100]),
        (("8.1GiB", "12.01GiB"), None, [GIB / 100] * 2),
        (("99.98MiB", "1.234GiB"), None, [MIB / 100, GIB / 1000]),
        (("1.2M", "12M", "123M"), None, [MIB / 10, MIB, MIB]),
        (("8.10 GiB", "12.01 GiB"), None, [GIB / 100] * 2),
        (("1310724", "1310728"), KIB, [KIB, KIB]),
        (("83886080", "0", "", "83890176.0"), None, [0.1, float("nan"), float("nan"), 0.1]),
        (("1.5e9", "1.234e9"), 1.0, [1e6, 1e6]),
        (("999.8MiB", "1GiB", "1019MiB"), None, [MIB / 10, GIB / 1000, MIB]),
        (("1GiB", "2GiB"), None, [GIB, GIB]),
    ],
)
def test_the_resolution_is_that_of_the_decimals(
    cells: tuple[str, ...], unit_bytes: float | None, resolution: list[float]
) -> None:
    """Of docker with four digits in all and no zeros at the end, of top, and of a fixed number of decimals."""
    column = CellColumn(Path("x.csv"), "rss", list(cells), list(range(len(cells))))
    found = read_memory(column, unit_bytes).resolution
    assert found == pytest.approx(resolution, nan_ok=True)


def test_what_is_finer_than_an_arena_is_not_called_rounded() -> None:
    """Memory changes in arenas anyway; docker's GiB with three decimals are hardly coarser."""
    assert rounding_text("rss", MIB) == ""
    assert rounding_text("rss", GIB / 1000) == ""
    assert rounding_text("rss", GIB / 100) == (
        "rss is rounded to 10.2 MiB, which hides what leaks: record bytes or KiB"
    )
