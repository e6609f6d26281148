from __future__ import annotations

import pytest

from soak.contract.evidence import UNSPACED_S, spacing


@pytest.mark.parametrize(
    ("hours", "times_apart"), [(0, 1), (1 / 60, 1), (8, 1), (8.01, 2), (24, 3), (72, 9), (80, 10), (1000, 10)]
)
def test_a_long_load_is_read_further_apart(hours: float, times_apart: int) -> None:
    """Once more for each 8 hours begun, at most ten times."""
    assert spacing(hours * 3600) == times_apart


def test_a_load_has_about_as_many_readings_whatever_its_length() -> None:
    """From 8 to 80 hours between half and all of those of 8 hours."""
    counts = [hours * 3600 / spacing(hours * 3600) for hours in range(8, 81)]
    assert UNSPACED_S / 2 < min(counts) <= max(counts) <= UNSPACED_S
