"""One line for what several processes of an arm hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from analysis.growth.from_containers import merge_lives
from analysis.growth.suspect import LeakSuspect
from analysis.recording.model import Life

NOTHING = LeakSuspect(
    arm="app", name="shop.orders", kind="unbounded cache or list", holder="shop.orders", type="builtins.list",
    address="0x1", lives="1", censuses=9, length=900, holds="", items_per_request=None, items_per_request_low=None,
    items_per_request_high=None, items_per_s=None, bytes_per_request=None, bytes_per_s=None, share=None,
    retained_bytes=None, retained_whole=None, why="",
)  # fmt: skip


def lines(items: Mapping[int, float]) -> list[LeakSuspect]:
    """Return a line for each life, with its items per request, ten requests a second."""
    return [
        replace(
            NOTHING, lives=str(life), items_per_request=each, items_per_s=10 * each, bytes_per_s=80 * each
        )
        for life, each in items.items()
    ]


def test_workers_that_were_recycled_do_not_count_twice() -> None:
    """Two at a time share the requests; their heirs keep the same, not as much again."""
    processes = tuple(
        Life(2 * turn + worker, 1, 100.0 * turn, 100.0 * turn, 100.0 * turn + 99, "itself")
        for turn in range(3)
        for worker in (2, 3)
    )
    found = merge_lives(lines({life.number: 0.5 for life in processes}), processes)
    assert found.lives == "2 3 4 5 6 7"
    assert (found.items_per_request, found.items_per_s, found.bytes_per_s) == (1.0, 10.0, 80.0)


def test_lives_of_one_process_are_not_added_at_all() -> None:
    """The line of the longest stands for all of them."""
    found = merge_lives(lines({1: 1.0, 2: 1.0}), ())
    assert found.lives == "1 2"
    assert found.items_per_request == pytest.approx(1.0)


def test_containers_of_one_life_that_the_path_does_not_tell_apart_add_up() -> None:
    """Ten lists keyed by a UUID each, whose paths all end in ``[…]``: together they are the leak, not one of them."""
    ten = [
        replace(NOTHING, address=hex(i), items_per_request=0.1, items_per_s=1.0, bytes_per_s=80.0, length=100 + i,
                retained_bytes=1000.0, retained_whole=True, why="grows")
        for i in range(10)
    ]  # fmt: skip
    for processes in ((), (Life(1, 1, 0.0, 0.0, 100.0, None),)):
        found = merge_lives(ten, processes)
        assert found.items_per_request == pytest.approx(1.0)
        assert (found.bytes_per_s, found.length, found.address, found.lives) == (800.0, 1045, "0x9", "1")
        assert (found.retained_bytes, found.retained_whole, found.why) == (
            10_000.0,
            True,
            "grows; 10 containers",
        )
    restarted = [replace(one, lives=life) for life in ("1", "2") for one in ten]
    assert merge_lives(restarted, ()).items_per_request == pytest.approx(1.0)
