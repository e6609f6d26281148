"""The collector of real processes from outside, beside what they have of it themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from soak.heap.census import BY_OFFSETS, take_census
from soak.heap.cpython.collector import is_incremental, read_collector
from soak.heap.cpython.debug_offsets import NAMES, DebugOffsets
from soak.heap.model import CollectorStatistics
from tests.support.fake_memory import FakeMemory
from tests.support.pythons import altered_copy, find_interpreter, find_static_interpreter, running

COLLECTS = """
import gc, json
class Node: pass
for _ in range(7): gc.collect(0)
for _ in range(5): gc.collect(1)
for _ in range(3):
    node = Node(); node.self = node; del node
    gc.collect()
gc.disable()
print(json.dumps(gc.get_stats()).replace(" ", ""), end=" ")
"""


def test_the_totals_are_those_of_the_process_itself() -> None:
    """As gc.get_stats() has them: after seven, five and three collections, the last of which freed something."""
    if (python := find_interpreter("3.15")) is None:
        pytest.skip("there is no Python 3.15 here")
    with running(Path(python), code=COLLECTS) as (pid, (text,)):
        census = take_census(pid)
    generations = json.loads(text)
    assert census.collector == CollectorStatistics(
        full_collections=generations[-1]["collections"],
        collected=sum(one["collected"] for one in generations),
        uncollectable=0,
    )
    assert census.collector.full_collections == 3
    assert census.collector.collected >= 3
    assert census.release is not None
    assert census.release.startswith("3.15.")


def test_an_earlier_python_has_no_totals_to_be_read() -> None:
    """Empty is not 0."""
    if (python := find_interpreter("3.14")) is None:
        pytest.skip("there is no Python 3.14 here")
    with running(Path(python)) as (pid, _):
        census = take_census(pid)
    assert census.collector is None
    assert not census.incremental_collector


def test_a_python_with_the_incremental_collector_is_told_by_its_version(tmp_path: Path) -> None:
    """3.14.0 to 3.14.4; here one that was given such a version."""
    assert [is_incremental((3, 14, micro)) for micro in (0, 4, 5)] == [True, True, False]
    assert not is_incremental((3, 15, 0))
    if (python := find_static_interpreter("3.14")) is None:
        pytest.skip("there is no Python 3.14 here")
    early = altered_copy(python, tmp_path, {"version": 0x030E02F0})
    with running(early, python.parents[1]) as (pid, _):
        census = take_census(pid)
    assert (census.python, census.release, census.incremental_collector) == ("3.14", "3.14.2", True)
    assert census.checked_by == BY_OFFSETS  # a copy without its library cannot be started again


RUNTIME, STATE, STATISTICS = 0x7F00_0000_0000, 0x7F00_0001_0000, 0x7F00_0002_0000


@pytest.mark.parametrize(("size_bytes", "garbage"), [(1120, True), (1112, False)])
def test_totals_that_cannot_be_are_none(size_bytes: int, garbage: bool) -> None:
    """Memory that holds something else, and a version that keeps them in another form."""
    offsets = dict.fromkeys(NAMES[3, 15], 0) | {
        "runtime_state.interpreters_head": 8,
        "interpreter_state.next": 8,
        "interpreter_state.gc": 16,
        "gc.generation_stats": 0,
        "gc.generation_stats_size": size_bytes,
    }
    runtime, state = np.zeros(8, np.uint64), np.zeros(8, np.uint64)
    runtime[1], state[2] = STATE, STATISTICS
    words = np.full(140, 0xDDDD_DDDD_DDDD_DDDD if garbage else 1, np.uint64)
    memory = FakeMemory(
        {RUNTIME: bytearray(runtime), STATE: bytearray(state), STATISTICS: bytearray(words.tobytes())}
    )
    found = DebugOffsets("/opt/python3.15", RUNTIME, 0x030F02F0, free_threaded=False, offsets=offsets)
    assert read_collector(found, memory) is None
