from __future__ import annotations

import pytest

from analysis.formatting import binary, change, clock, clock_of, memory, size


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0.0 MB"),
        (-4e3, "0.0 MB"),
        (3.14e6, "3.1 MB"),
        (74.4e6, "74 MB"),
        (999.4e6, "999 MB"),
        (999.6e6, "1.0 GB"),
        (8e9, "8.0 GB"),
    ],
)
def test_memory_is_in_the_incidents_units(size_bytes: float, text: str) -> None:
    """Memory is MB of 10^6 bytes below 1 GB, and never minus zero."""
    assert memory(size_bytes) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (-0.04, "0 B"),
        (0.06, "0.1 B"),
        (-5.24, "-5.2 B"),
        (61.4, "61 B"),
        (-1.44e3, "-1.4 kB"),
        (999.9e3, "1.0 MB"),
    ],
)
def test_size_is_in_the_unit_that_suits_it(size_bytes: float, text: str) -> None:
    """Nothing is 0 B, without a decimal that was not measured, and never minus zero."""
    assert size(size_bytes) == text


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (850, 220, "-74%"),
        (200, 180, "-10%"),
        (100, 100.4, "0%"),
        (1, 3, "+200%"),
        (0, 5, ""),
        (None, 5, ""),
        (5, None, ""),
    ],
)
def test_change_is_in_whole_percent(before: float | None, after: float | None, text: str) -> None:
    """A change is whole percent of before, and empty when it cannot be known."""
    assert change(before, after) == text


@pytest.mark.parametrize(
    ("hours", "text"),
    [(0, "0:00 h"), (5.6, "5:36 h"), (-0.5, "-0:30 h"), (-0.001, "0:00 h"), (1.9999, "2:00 h")],
)
def test_clock_is_hours_and_minutes(hours: float, text: str) -> None:
    """Minutes are rounded, never 60."""
    assert clock(hours) == text


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(61, "61 B"), (1024, "1 KiB"), (512 * 2**20, "512 MiB"), (7.5 * 2**30, "7.5 GiB"), (66.4e6, "63 MiB")],
)
def test_limits_are_in_binary_units(size_bytes: float, text: str) -> None:
    """As a profile and the kernel count them."""
    assert binary(size_bytes) == text


@pytest.mark.parametrize(
    ("seconds", "short", "whole"),
    [(0, "0:00", "0:00:00"), (337 * 60, "5:37", "5:37:00"), (59, "0:01", "0:00:59"), (-1800, "-0:30", "-0:30:00"),
     (72 * 3600, "72:00", "72:00:00"), (-10, "0:00", "-0:00:10")],
)  # fmt: skip
def test_time_is_hours_and_minutes(seconds: float, short: str, whole: str) -> None:
    """With seconds where they matter, and never minus zero."""
    assert (clock_of(seconds), clock_of(seconds, with_seconds=True)) == (short, whole)
