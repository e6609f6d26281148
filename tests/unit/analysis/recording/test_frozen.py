"""Since when a reading no longer changes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from analysis.recording.frozen import frozen_since

CHANGES = np.arange(1000.0)


def after(changing: npt.NDArray[np.float64], same: int) -> npt.NDArray[np.float64]:
    """Return values that end with so many of one."""
    return np.concatenate((changing, np.full(same, -1.0)))


@pytest.mark.parametrize(
    ("values", "first"),
    [
        (after(CHANGES, 100), 1000),
        (after(CHANGES, 99), None),
        (after(np.arange(3000.0), 150), None),
        (after(np.arange(2000.0), 150), 2000),
        (after(np.repeat(np.arange(50.0), 20), 201), 1000),
        (after(np.repeat(np.arange(50.0), 20), 200), None),
        (np.full(100, 7.0), 0),
        (np.full(99, 7.0), None),
        (CHANGES, None),
        (np.array([]), None),
        (np.full(500, np.nan), None),
    ],
)
def test_a_value_is_frozen_where_no_earlier_stretch_was_nearly_as_long(
    values: npt.NDArray[np.float64], first: int | None
) -> None:
    """In 100 samples, more than 5% of the window, and ten times any stretch before; constant throughout counts, too."""
    found = frozen_since(np.linspace(0.0, 10.0 * len(values), len(values), endpoint=False), values)
    assert found == (None if first is None else 10.0 * first)


def test_what_was_not_read_is_no_change() -> None:
    """Nor is it a sample."""
    values = after(CHANGES, 150)
    values[1001::2] = np.nan
    assert frozen_since(np.arange(1150.0), values) is None
    values = after(CHANGES, 300)
    values[1001::2] = np.nan
    assert frozen_since(np.arange(1300.0), values) == 1000.0
