from __future__ import annotations

import pytest

from analysis.formatting import (
    bytes_text,
    digits_apart,
    format_bytes,
    format_change,
    format_duration,
    format_hours,
    format_interval,
    short_build,
)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0 B"),
        (-0.04, "0 B"),
        (0.06, "0.1 B"),
        (-5.24, "-5.2 B"),
        (5, "5 B"),
        (61.4, "61 B"),
        (-1.44 * 2**10, "-1.4 KiB"),
        (2**10, "1 KiB"),
        (99.9 * 2**10, "99.9 KiB"),
        (99.96 * 2**10, "100 KiB"),
        (0.99951 * 2**20, "1.0 MiB"),
        (512 * 2**20, "512 MiB"),
        (7.5 * 2**30, "7.5 GiB"),
        (3000 * 2**30, "3,000 GiB"),
    ],
)
def test_bytes_are_in_the_binary_unit_that_suits_them(size_bytes: float, text: str) -> None:
    """Three digits at most below 1,000; whole numbers have no decimal that was not measured; zero has no sign."""
    assert format_bytes(size_bytes) == text


def test_bytes_can_have_a_given_unit_and_a_sign() -> None:
    """Figures that stand beside each other are in one unit; a change has a plus, nothing has none."""
    assert [format_bytes(size, "MiB") for size in (300, 2**19, 2**31)] == ["0 MiB", "0.5 MiB", "2,048 MiB"]
    assert [format_bytes(size, sign=True) for size in (2**20, 0, -(2**20))] == ["+1 MiB", "0 B", "-1 MiB"]


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
def test_a_change_is_in_whole_percent(before: float | None, after: float | None, text: str) -> None:
    """A change is whole percent of before, and empty when it cannot be known."""
    assert format_change(before, after) == text


@pytest.mark.parametrize(
    ("hours", "short", "whole"),
    [
        (0, "0:00", "0:00:00"),
        (5.6, "5:36", "5:36:00"),
        (59 / 3600, "0:01", "0:00:59"),
        (-0.5, "-0:30", "-0:30:00"),
        (-0.001, "0:00", "-0:00:04"),
        (1.9999, "2:00", "2:00:00"),
        (72, "72:00", "72:00:00"),
    ],
)
def test_hours_are_hours_and_minutes(hours: float, short: str, whole: str) -> None:
    """Minutes are rounded and never 60, seconds are shown where they matter, and zero has no sign."""
    assert (format_hours(hours), format_hours(hours, with_seconds=True)) == (short, whole)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (45, "45 s"),
        (720, "12 min"),
        (5.2 * 3600, "5.2 h"),
        (40 * 86400, "40 days"),
        (3650 * 86400, "3,650 days"),
        (1e12, "10 years"),
        (89.6, "90 s"),
        (90 * 60, "90 min"),
    ],
)
def test_a_duration_is_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    """Nothing is promised for longer than ten years."""
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("build", "text"),
    [
        (None, ""),
        ("7ef98cf8a1" + "0" * 30, "7ef98cf8a1"),
        ("7ef98cf8a1" + "0" * 30 + "-dirty", "7ef98cf8a1-dirty"),
        ("sha256:" + "45ff3af24f2c" + "0" * 52, "45ff3af24f2c"),
    ],
)
def test_a_build_is_as_people_write_it(build: str | None, text: str) -> None:
    """A git revision, changed or not, and the id of an image."""
    assert short_build(build) == text


@pytest.mark.parametrize(
    ("value", "limit", "texts"),
    [
        (301.0, 300.0, ("301 MiB", "300 MiB")),
        (300.0, 300.0, ("300 MiB", "300 MiB")),
        (300.25, 300.0, ("300.2 MiB", "300.0 MiB")),
        (300 + 2**-8, 300.0, ("300.004 MiB", "300.000 MiB")),
        (12.03, 12.0, ("12.03 MiB", "12.0 MiB")),
        (300.8, 300.6, ("300.8 MiB", "300.6 MiB")),
    ],
)
def test_a_value_is_told_from_its_limit(value: float, limit: float, texts: tuple[str, str]) -> None:
    """By no more digits than that takes, of both; 12.0 is no other number than 12, and equal ones need none."""
    more = digits_apart((value * 2**20,), limit * 2**20, bytes_text)
    assert (bytes_text(value * 2**20, more), bytes_text(limit * 2**20, more)) == texts


def test_the_ends_of_an_interval_are_told_apart() -> None:
    """By two further digits at most; those that are no use are left out."""
    assert format_interval(12 * 2**20, 12.03 * 2**20) == "12.0 MiB to 12.03 MiB"
    assert format_interval(300.0, 301.0) == "300 B to 301 B"
    assert format_interval(300.0001, 300.0002) == "300 B to 300 B"
