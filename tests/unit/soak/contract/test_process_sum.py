"""The one rule for the sum of a reading over the processes of an arm."""

from __future__ import annotations

import pytest

from soak.contract import ProcessSums, process_sum
from soak.contract.process_sum import MOST_COLUMNS


@pytest.mark.parametrize(
    ("readings", "known", "total"),
    [
        ({1: 3, 2: 4}, {1, 2}, 7),
        ({1: 3, 2: None}, {1, 2}, None),
        ({1: None, 2: 4}, {2}, 4),
        ({1: 3}, {1, 2}, 3),
        ({1: None, 2: None}, set(), None),
        ({}, {1}, None),
    ],
)
def test_a_sum_needs_each_process_that_has_the_reading(
    readings: dict[int, float | None], known: set[int], total: float | None
) -> None:
    """A process that never has it adds nothing; one that is gone is not missed; nothing read is no sum."""
    assert process_sum(readings, known) == total


def test_sums_remember_who_has_had_the_reading_until_it_is_gone() -> None:
    """A launcher without a probe adds nothing; a worker that misses one reading makes the sum unknown, not smaller."""
    sums = ProcessSums()
    ticks: list[dict[int, float | None]] = [
        {1: None, 2: 10, 3: 20}, {1: None, 2: 11, 3: None}, {1: None, 2: 12, 3: 22}, {1: None, 2: 13}
    ]  # fmt: skip
    assert [sums.add("live_blocks", readings) for readings in ticks] == [30, None, 34, 13]


def test_sums_of_one_column_know_nothing_of_another() -> None:
    """RSS is read of a process without a probe."""
    sums = ProcessSums()
    assert sums.add("rss_bytes", {1: 5, 2: 6}) == 11
    assert sums.add("live_blocks", {1: None, 2: 6}) == 6


def test_of_names_that_always_change_the_newest_are_remembered() -> None:
    """A target may give its gauges new names at each tick, for days."""
    sums = ProcessSums()
    for tick in range(10 * MOST_COLUMNS):
        sums.add("steady", {1: 1.0, 2: 1.0})
        assert sums.add(f"gauge {tick}", {1: 1.0, 2: None}) == 1.0
    assert len(sums._known) == MOST_COLUMNS
    assert sums.add("steady", {1: 1.0, 2: None}) is None
