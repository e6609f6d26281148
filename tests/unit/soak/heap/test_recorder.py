"""The recorder obeys its orders and says what it could not do."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from soak.contract import CENSUS_TAKEN
from soak.contract.clock import RunClock
from soak.heap.errors import HeapError, ProcessGoneError
from soak.heap.model import Census, CollectorStatistics
from soak.heap.recorder import CensusRecorder, handle_orders
from tests.support.censuses import census


class Clock(RunClock):
    """Stands at 5 s."""

    def now_s(self) -> float:
        return 5.0


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "today").mkdir()
    return tmp_path


def take(pid: int, *, containers_over: int) -> Census:
    """Return a heap whose one list is longer from pid to pid, which counts the calls here."""
    if pid == 404:
        raise ProcessGoneError("pid 404 is gone.")
    if pid == 13:
        raise HeapError("pid 13 cannot be read.")
    return census({"shop.Order": (4, 640)}, {0xABC0: containers_over + pid}, pid=pid)


def order(*targets: tuple[str, int, int], rung: str = "") -> str:
    return json.dumps({"phase": "load", "rung": rung, "targets": targets})


def test_a_census_is_written_as_the_contract_says(directory: Path) -> None:
    """Two processes of an arm are told apart by pid and life."""
    said: list[str] = []
    with closing(CensusRecorder(directory, Clock(), take)) as recorder:
        handle_orders(recorder, [order(("today", 1, 1), ("today", 2, 2))], said.append)
    with (directory / "today" / "census.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["pid"], row["life"], row["t_s"], row["type"], row["bytes"]) for row in rows] == [
        ("1", "1", "5.000", "shop.Order", "640"),
        ("2", "2", "5.000", "shop.Order", "640"),
    ]
    assert said == [
        CENSUS_TAKEN + ' {"cost_s": 0.5, "errors": {}, "suspects": {"1": [], "2": []}, '
        '"cells": {"1": {"pool_free_bytes": 4096}, "2": {"pool_free_bytes": 4096}}, "incremental": {}}',
    ]


def test_what_cannot_be_read_is_told_and_what_has_ended_is_not(directory: Path) -> None:
    """The other targets are read all the same."""
    with closing(CensusRecorder(directory, Clock(), take)) as recorder:
        answer = recorder.handle(json.loads(order(("today", 13, 1), ("today", 404, 2), ("today", 1, 3))))
    assert answer["errors"] == {13: "pid 13 cannot be read."}
    assert answer["suspects"] == {1: []}


def test_what_the_collector_has_done_is_told_where_it_can_be_read(directory: Path) -> None:
    """Since 3.15, for the columns that the probe has else; and which Python has the incremental one."""
    read = {
        1: replace(census(pid=1), release="3.15.2", collector=CollectorStatistics(3, 2156, 1)),
        2: replace(census(pid=2), release="3.14.2", incremental_collector=True),
    }
    with closing(CensusRecorder(directory, Clock(), lambda pid, **_: read[pid])) as recorder:
        answer = recorder.handle(json.loads(order(("today", 1, 1), ("today", 2, 2))))
    assert answer["cells"] == {
        1: {
            "pool_free_bytes": 4096,
            "gc_gen2_collections": 3,
            "gc_collected": 2156,
            "gc_uncollectable": 1,
        },
        2: {"pool_free_bytes": 4096},
    }
    assert answer["incremental"] == {2: "3.14.2"}


def growing_list() -> Callable[..., Census]:
    """Return a way to take censuses in each of which one list is longer."""
    lengths = iter((200, 210, 220, 230))

    def take(_pid: int, *, containers_over: int) -> Census:
        assert containers_over == 100
        return census(lengths={0xABC0: next(lengths)})

    return take


def test_a_list_that_grows_is_followed_into_its_file(directory: Path) -> None:
    """Its address stays, its length rises, and after three censuses it is suspected."""
    with closing(CensusRecorder(directory, Clock(), growing_list())) as recorder:
        answers = [
            recorder.handle(json.loads(order(("today", 1, 1), rung=rung)))["suspects"]
            for rung in ("", "", "", "drained")
        ]
    suspected = {1: [(0xABC0, "builtins.list", 220)]}
    assert answers == [{1: []}, {1: []}, suspected, suspected]
    with (directory / "today" / "containers.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["address"], row["length"], row["rung"]) for row in rows] == [
        ("0xabc0", "210", ""),
        ("0xabc0", "220", ""),
        ("0xabc0", "230", "drained"),
    ]


def test_another_process_of_the_same_pid_has_a_history_of_its_own(directory: Path) -> None:
    """The list of the one before it did not grow in it."""
    with closing(CensusRecorder(directory, Clock(), growing_list())) as recorder:
        answers = [
            recorder.handle(json.loads(order(("today", 1, life))))["suspects"] for life in (1, 1, 2, 2)
        ]
    assert answers == [{1: []}] * 4
