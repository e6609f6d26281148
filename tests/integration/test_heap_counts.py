"""What a census counts in real Pythons of every supported version: objects, bytes, lengths and growth."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from soak.heap.census import BY_SIBLING, take_census
from soak.heap.growth import HeapHistory
from soak.heap.model import Census, TypeCount
from tests.support.piped import line_of, started, tell, wait_at_rest
from tests.support.pythons import pythons

pytestmark = pytest.mark.integration

TARGET = Path(__file__).parent / "heap_target.py"
CANARIES = Path(__file__).parent / "heap_canaries.py"
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
WITH_VALUES = {
    "__main__.Plain",
    "__main__.WithMeta",
    "__main__.FirstIsAClass",
    "__main__.outer.<locals>.Inner",
    "__main__.Node",
}
"""Their attributes' values are counted too since 3.11; ``sys.getsizeof`` leaves them out."""
WITH_INLINE_VALUES = {
    *(f"__main__.{name}" for name in ("Box", "Table", "Group", "Line", "Ordered", "Raw", "DictChild")),
    "collections.Counter",
}
"""So are those of subclasses of builtin containers since 3.14."""


PYTHONS = pythons()
CASES = [name for name in sorted(PYTHONS) if name.split("-")[0] in SUPPORTED]


def _with_values(name: str, python: str) -> bool:
    minor = int(python.partition(".")[2])
    return (name in WITH_VALUES and minor >= 11) or (name in WITH_INLINE_VALUES and minor >= 14)


def _assert_true_to(truth: dict[str, Any], census: Census) -> None:
    found = {entry.name: entry for entry in census.types}
    for name, expected in truth["types"].items():
        objects = expected["objects"]
        assert abs(found[name].objects - objects) <= max(2, objects // 1000), name
        if _with_values(name, census.python):
            assert expected["bytes"] <= found[name].bytes <= 2 * expected["bytes"], name
        else:
            assert found[name].bytes == pytest.approx(expected["bytes"], rel=0.001), name
    for name, objects in truth["tracked"].items():
        if name not in ("builtins.type", "builtins.list_iterator"):  # static, and in use while it was counted
            assert found[name].objects >= objects - max(2, objects // 1000), name
    long = {(container.type, container.address, container.length) for container in census.containers}
    assert long >= {(name, address, length) for name, (address, length) in truth["containers"].items()}


@pytest.mark.parametrize("name", CASES)
def test_counts_sizes_and_lengths_are_exact_also_after_mass_frees(name: str) -> None:
    """Of fourteen classes, metaclasses and classes inside tuples among them; nine of ten objects freed in between."""
    with started(PYTHONS[name], TARGET, "10000") as target:
        for order in ("", "free"):
            if order:
                tell(target, order)
            truth = json.loads(line_of(target))
            census = take_census(target.pid, containers_over=2500)
            assert census.checked_by == BY_SIBLING
            assert census.python == name.split("-", maxsplit=1)[0]
            _assert_true_to(truth, census)


@pytest.mark.parametrize("name", CASES)
def test_every_sort_of_object_is_counted_and_sized(name: str) -> None:
    """Short strings of each kind, and some eighty other sorts: fresh, after mass frees, and after churn."""
    with started(PYTHONS[name], "-W", "ignore", CANARIES, "2000") as target:

        def after(order: str) -> tuple[dict[str, list[int]], dict[str, TypeCount]]:
            tell(target, order)
            truth = json.loads(line_of(target))
            wait_at_rest(target)
            return truth, {entry.name: entry for entry in take_census(target.pid).types}

        for sorts in ("", " parts"):
            after(f"make{sorts}")  # what the interpreter makes once is made
            _, before = after("drop")
            for order in ("make", "free", "churn"):
                truth, found = after(f"{order}{sorts}")
                for kind, (objects, size_bytes) in truth.items():
                    counted, sized = found[kind].objects, found[kind].bytes
                    if kind in before:
                        counted, sized = counted - before[kind].objects, sized - before[kind].bytes
                    assert abs(counted - objects) <= max(3, objects // 1000), (order, kind)
                    if not _with_values(kind, name.partition("-")[0]):
                        several = 3 * size_bytes / objects
                        assert sized == pytest.approx(size_bytes, rel=0.002, abs=several), (order, kind)


@pytest.mark.parametrize("name", CASES)
def test_what_grows_is_suspected_by_its_address(name: str) -> None:
    """A list, dict, set and deque that grow from census to census, the classes of their entries, and nothing else."""
    code = """
import sys
from collections import deque
class Entry: __slots__ = ("number", "__dict__")
kept = [[], {}, set(), deque()]
steady = [list(range(3000)), dict.fromkeys(range(3000)), [Entry() for _ in range(2000)]]
for line in iter(sys.stdin.readline, ""):
    for _ in range(500):
        entry = Entry()
        kept[0].append(entry); kept[1][entry] = None; kept[2].add(entry); kept[3].append(entry)
    print(*map(id, kept), flush=True)
"""
    history, addresses = HeapHistory(), set[int]()
    with started(PYTHONS[name], "-S", "-c", code) as target:
        for _ in range(5):
            tell(target, "grow")
            addresses = {int(address) for address in line_of(target).split()}
            history.add(take_census(target.pid, containers_over=100), settled=False)
    suspects = history.suspects()
    assert {one.address for one in suspects} - {0} == addresses
    assert [one.type for one in suspects if not one.address] == ["__main__.Entry"]


@pytest.mark.parametrize("name", CASES)
def test_the_bytes_of_an_instance_are_those_that_were_allocated(name: str) -> None:
    """What ``sys.getsizeof`` leaves out, the values of attributes, is counted: bytes are those that tracemalloc saw."""
    code = """
import json, sys, tracemalloc
from collections import OrderedDict, deque
class Node: pass
class Slots: __slots__ = ("a", "b")
kinds = [Node, Slots]
for base in (list, dict, set, deque, bytearray, Exception, *([frozendict] if sys.version_info >= (3, 15) else [])):
    kinds.append(type(base.__name__.title(), (base,), {"__module__": "__main__"}))
keep = [kind() for kind in kinds]
allocated = {}
for kind in kinds:
    slots, marks = [None] * 1500, [0] * 3
    tracemalloc.start()
    for number in range(1500):
        if number % 500 == 0: marks[number // 500] = tracemalloc.get_traced_memory()[0]
        slots[number] = kind()
    allocated[kind.__name__] = 2 * (marks[2] - marks[1])
    tracemalloc.stop()
    keep.append(slots)
print(json.dumps(allocated), flush=True); sys.stdin.read()
"""
    with started(PYTHONS[name], "-S", "-c", code) as target:
        allocated = json.loads(line_of(target))
        found = {entry.name: entry for entry in take_census(target.pid).types}
    for kind, size_bytes in allocated.items():
        entry = found[f"__main__.{kind}"]
        assert entry.objects == 1501, kind
        assert entry.bytes / 1501 == pytest.approx(size_bytes / 1000, rel=0.005), kind


@pytest.mark.parametrize("name", CASES)
def test_what_a_freed_neighbour_left_behind_hides_no_object(name: str) -> None:
    """The last word of a freed tuple is a class; the bytearrays in the next blocks are counted nevertheless."""
    code = """
import sys
junk = [tuple([None, None, bytearray]) for _ in range(4000)]
del junk
keep = [bytearray(1000) for _ in range(3000)]
print(flush=True); sys.stdin.read()
"""
    with started(PYTHONS[name], "-S", "-c", code) as target:
        line_of(target)
        found = {entry.name: entry.objects for entry in take_census(target.pid).types}
    assert abs(found["builtins.bytearray"] - 3000) <= 3


@pytest.mark.parametrize("name", CASES)
def test_a_dict_keyed_by_classes_has_no_instances_in_its_table(name: str) -> None:
    """In a program of fixed addresses the hash of a builtin class is a small number, before a reference to it."""
    code = """
import builtins, sys
kinds = [kind for kind in vars(builtins).values() if isinstance(kind, type) and issubclass(kind, Exception)]
tables = [dict.fromkeys(kinds) for _ in range(300)]
print(*(kind.__name__ for kind in kinds), flush=True); sys.stdin.read()
"""
    with started(PYTHONS[name], "-S", "-c", code) as target:
        names = {f"builtins.{kind}" for kind in line_of(target).split()} - {"builtins.MemoryError"}
        found = {entry.name: entry.objects for entry in take_census(target.pid).types}
    assert len(names) > 50
    assert sum(found.get(kind, 0) for kind in names) <= 3


@pytest.mark.parametrize("allocator", ["malloc", "pymalloc_debug"])
def test_counts_are_exact_with_another_allocator(allocator: str) -> None:
    """Without pools every block is malloc's; a debugging allocator puts its own words around each.

    malloc leaves what was in freed blocks, and joins these: then of thousands of tuples that began with a class some
    read as instances of it.
    """
    environment = {**os.environ, "PYTHONMALLOC": allocator}
    with started(sys.executable, TARGET, "5000", env=environment) as target:
        for order in ("", "free") if allocator != "malloc" else ("",):
            if order:
                tell(target, order)
            truth = json.loads(line_of(target))
            _assert_true_to(truth, take_census(target.pid, containers_over=2500))


def test_every_supported_python_was_tried() -> None:
    """At least our own; the others are those on this machine."""
    tried = {name.split("-")[0] for name in CASES}
    assert ".".join(map(str, sys.version_info[:2])) in tried
    if missing := set(SUPPORTED) - tried:
        pytest.skip(f"not on this machine: Python {', '.join(sorted(missing))}")
