"""The census of real Pythons, every version on this machine: counts, sizes, lengths, and what is refused."""

from __future__ import annotations

import json
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soak.heap import census as census_module
from soak.heap.census import BY_LAYOUT, BY_OFFSETS, BY_SIBLING, read_heap, take_census
from soak.heap.cpython.interpreter import find_interpreter
from soak.heap.cpython.memory import PAGE_BYTES, MemoryMapping, ProcessMemory
from soak.heap.errors import HeapError, ProcessGoneError
from soak.heap.model import Census, TypeCount
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


@contextmanager
def _started(*argv: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [str(word) for word in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str], timeout_s: float = 60.0) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(timeout_s), "the target said nothing"
    return process.stdout.readline()


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


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
    with _started(PYTHONS[name], TARGET, "10000") as target:
        for order in ("", "free"):
            if order:
                _tell(target, order)
            truth = json.loads(_line(target))
            census = take_census(target.pid, containers_over=2500)
            assert census.checked_by == BY_SIBLING
            assert census.python == name.split("-", maxsplit=1)[0]
            _assert_true_to(truth, census)


@pytest.mark.parametrize("name", CASES)
def test_every_sort_of_object_is_counted_and_sized(name: str) -> None:
    """Short strings of each kind, and some eighty other sorts: fresh, after mass frees, and after churn."""
    with _started(PYTHONS[name], "-W", "ignore", CANARIES, "2000") as target:

        def after(order: str) -> tuple[dict[str, list[int]], dict[str, TypeCount]]:
            _tell(target, order)
            truth = json.loads(_line(target))
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
                        assert sized == pytest.approx(size_bytes, rel=0.01), (order, kind)


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
    with _started(PYTHONS[name], "-S", "-c", code) as target:
        allocated = json.loads(_line(target))
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
    with _started(PYTHONS[name], "-S", "-c", code) as target:
        _line(target)
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
    with _started(PYTHONS[name], "-S", "-c", code) as target:
        names = {f"builtins.{kind}" for kind in _line(target).split()} - {"builtins.MemoryError"}
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
    with _started(sys.executable, TARGET, "5000", env=environment) as target:
        for order in ("", "free") if allocator != "malloc" else ("",):
            if order:
                _tell(target, order)
            truth = json.loads(_line(target))
            _assert_true_to(truth, take_census(target.pid, containers_over=2500))


def test_every_supported_python_was_tried() -> None:
    """At least our own; the others are those on this machine."""
    tried = {name.split("-")[0] for name in CASES}
    assert ".".join(map(str, sys.version_info[:2])) in tried
    if missing := set(SUPPORTED) - tried:
        pytest.skip(f"not on this machine: Python {', '.join(sorted(missing))}")


def test_a_census_leaves_the_target_alone() -> None:
    """Memory it mapped but never touched stays untouched: reading would have mapped it."""
    code = """
import mmap, sys
untouched = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
print(flush=True); sys.stdin.read()
"""
    with _started(sys.executable, "-S", "-c", code) as target:
        _line(target)

        def tables_kb() -> int:
            status = Path(f"/proc/{target.pid}/status").read_text()
            return int(status.partition("VmPTE:")[2].split()[0])

        before = tables_kb()
        census = take_census(target.pid)
        assert tables_kb() == before
        assert census.read_bytes < 200 << 20


def test_a_target_that_dies_meanwhile_is_said_to_be_gone() -> None:
    """Killed in the middle of the walk: an error with its pid, no traceback and no half census."""
    with _started(sys.executable, TARGET, "2000") as target:
        _line(target)
        with ProcessMemory(target.pid) as memory:
            interpreter = find_interpreter(target.pid, memory.maps, memory)
            target.send_signal(signal.SIGKILL)
            target.wait()
            with pytest.raises(ProcessGoneError, match=f"pid {target.pid} is gone"):
                read_heap(memory.maps, memory, interpreter, 1000)
        with pytest.raises(ProcessGoneError, match=f"pid {target.pid}"):
            take_census(target.pid)


def test_a_target_that_dies_while_its_program_is_looked_at_is_said_to_be_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is wrong with a process that ends is that it ends."""
    with _started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        _line(target)

        def dies(pid: int, *_: object) -> Any:
            target.kill()
            target.wait()
            raise HeapError(f"pid {pid} shows no CPython")

        monkeypatch.setattr(census_module, "find_interpreter", dies)
        with pytest.raises(ProcessGoneError, match="ended while it was read"):
            take_census(target.pid)


def test_memory_unmapped_under_the_reader_is_left_out() -> None:
    """Stretches that are gone since the maps were read count as empty."""
    with _started(sys.executable, TARGET, "2000") as target:
        truth = json.loads(_line(target))
        with ProcessMemory(target.pid) as memory:
            interpreter = find_interpreter(target.pid, memory.maps, memory)
            gone = tuple(
                MemoryMapping(start, start + 64 * PAGE_BYTES, "rw-p", 0, 0, "")
                for start in (0x1000, 0x7000_0000_0000)
            )
            heap = read_heap((*gone, *memory.maps), memory, interpreter, 1000)
        found = {entry.name: entry.objects for entry in heap.types}
        assert found["__main__.Slotted"] == truth["types"]["__main__.Slotted"]["objects"]


def test_a_busy_target_can_be_read() -> None:
    """Threads that make and free objects all the time: the kept ones are still counted."""
    code = """
import sys, threading
class Kept: pass
keep = [Kept() for _ in range(10_000)]
def churn():
    while True:
        [(bytes(n % 3000), {n: [n]}, type("T", (), {})) for n in range(1000)]
for _ in range(2): threading.Thread(target=churn, daemon=True).start()
print(); sys.stdin.read()
"""
    with _started("nice", sys.executable, "-c", code) as target:
        _line(target)
        for _ in range(3):
            found = {entry.name: entry.objects for entry in take_census(target.pid).types}
            assert abs(found["__main__.Kept"] - 10_000) <= 10


def _message(pid: int) -> str:
    with pytest.raises(HeapError) as refused:
        take_census(pid)
    assert refused.value.exit_code == 2
    return str(refused.value)


def test_a_process_without_python_is_refused() -> None:
    """The message names it and what is supported."""
    with _started("sleep", "60") as target:
        assert "(sleep) shows no CPython" in _message(target.pid)


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9"])
def test_an_old_python_is_refused_by_its_version(version: str) -> None:
    """Its layout is not known; the message says which are."""
    python = PYTHONS.get(f"{version}-built")
    if python is None:
        pytest.skip(f"not on this machine: Python {version}")
    with _started(python, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        _line(target)
        message = _message(target.pid)
        assert f"runs Python {version} " in message
        assert "supported are CPython 3.10 to 3.15" in message


def test_a_pid_that_is_no_process_is_refused() -> None:
    """Beyond the highest pid there can be, and a zombie."""
    assert "there never was such a process" in _message(1 << 30)
    process = subprocess.Popen(["true"])
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert f"pid {process.pid}" in _message(process.pid)
    process.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user")
def test_a_process_of_another_user_is_refused_with_the_fix() -> None:
    """Exit code 2, one line, no traceback."""
    with _started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        _line(target)
        pid = os.fork()
        if pid == 0:  # a child that is somebody else; what it raises is its exit code
            code = 1
            try:
                os.setuid(65534)
                take_census(target.pid)
            except HeapError as error:
                code = 42 if "run this as that user, or with sudo" in str(error) else 43
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 42


@pytest.fixture
def unchecked() -> Iterator[None]:
    """No interpreter has been checked against a sibling; what the test has found of ours is forgotten after it."""
    census_module.sibling_check.cache_clear()
    yield
    census_module.sibling_check.cache_clear()


@pytest.mark.usefixtures("unchecked")
def test_the_check_refuses_a_layout_that_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk that finds nothing in the sibling is no census."""
    monkeypatch.setattr(
        census_module, "read_heap", lambda *_: census_module.Heap(types=(), containers=(), read_bytes=0)
    )
    with _started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        _line(target)
        with pytest.raises(HeapError, match="failed its check: of 5,000 objects"):
            take_census(target.pid)


@pytest.mark.usefixtures("unchecked")
def test_a_program_that_cannot_be_started_again_is_checked_by_its_layout() -> None:
    """An executable that is gone since has no sibling; the census says so."""
    with _started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        _line(target)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("soak.heap.cpython.self_check.start_sibling", lambda _: None)
            assert take_census(target.pid).checked_by in (BY_LAYOUT, BY_OFFSETS)


class _Mutated:
    """A real process's memory, some bytes of which are something else."""

    def __init__(self, memory: ProcessMemory, seed: int) -> None:
        self._memory = memory
        self._random = np.random.default_rng(seed)
        self.resident = memory.resident

    def read_into(self, address: int, buffer: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
        got = self._memory.read_into(address, buffer)
        return self._spoil(buffer, got)

    def read_each(self, addresses: Any, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
        rows = self._memory.read_each(addresses, size)
        self._spoil(rows.reshape(-1), rows.size)
        return rows

    def _spoil(self, octets: np.ndarray[Any, np.dtype[np.uint8]], size: int) -> int:
        if size:
            places = self._random.integers(0, size, max(1, size // 200))
            octets[places] = self._random.integers(0, 256, len(places), dtype=np.uint8)
            if self._random.random() < 0.1:
                return int(self._random.integers(0, size))
        return size


def test_mutated_memory_of_a_real_process_does_no_harm() -> None:
    """Each 200th byte is another one, and reads end early: a census or a HeapError, never anything else."""
    with _started(sys.executable, "-S", TARGET, "300") as target:
        _line(target)
        with ProcessMemory(target.pid) as memory:
            interpreter = find_interpreter(target.pid, memory.maps, memory)
            for seed in range(15):
                try:
                    heap = read_heap(memory.maps, _Mutated(memory, seed), interpreter, 100)
                except HeapError:
                    continue
                assert len(heap.containers) <= 10_000
                assert all(entry.name.isprintable() for entry in heap.types)


def test_a_hostile_target_is_bounded() -> None:
    """Names of a megabyte are cut, control characters shown as question marks, a thousand types counted."""
    code = """
import sys
evil = [type("E" * 1_000_000, (), {"__module__": "m" * 1_000_000}), type("a\\x1b[31mb", (), {"__module__": 7})]
many = [type(f"T{n}", (), {}) for n in range(1000)]
keep = [kind() for kind in evil + many]
print(flush=True); sys.stdin.read()
"""
    with _started(sys.executable, "-S", "-c", code) as target:
        _line(target)
        census = take_census(target.pid)
    names = {entry.name for entry in census.types}
    assert max(map(len, names)) <= 200
    assert any(name.startswith("mmmm") for name in names)
    assert any("a?[31mb" in name for name in names)
    assert sum(entry.objects for entry in census.types if entry.name.startswith("__main__.T")) == 1000


def test_the_command_prints_a_table_and_its_cost() -> None:
    """As a user starts it, on a process that is not ours to prepare; then on one that is no Python."""
    with _started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        _line(target)
        done = subprocess.run(
            [sys.executable, "-m", "soak", "heap", str(target.pid), "--top", "3"],
            capture_output=True, text=True, timeout=60, check=False,
            cwd=Path(__file__).parents[2], env={**os.environ, "COLUMNS": "100"},
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert re.search(rf"^pid {target.pid}, Python 3\.\d+: [\d,]+ objects, ", done.stdout)
    assert re.search(
        r"took [\d.]+ s, [\d.]+ s of CPU, read \d+ MiB; checked against a sibling process$", done.stdout
    )
    with _started("sleep", "60") as other:
        refused = subprocess.run(
            [sys.executable, "-m", "soak", "heap", str(other.pid)],
            capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    assert refused.returncode == 2
    assert refused.stdout == ""
    assert refused.stderr.startswith(f"soak: pid {other.pid} (sleep) shows no CPython")


@pytest.mark.usefixtures("unchecked")
def test_a_program_that_embeds_python_is_never_started_again(tmp_path: Path) -> None:
    """It might begin to serve; the layout must do."""
    python = Path(sys.executable).resolve()
    server = tmp_path / "server"
    shutil.copy(python, server)
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(python.parent.parent / "lib"),
        "PYTHONHOME": sys.base_prefix,
    }
    with _started(
        server, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()", env=environment
    ) as target:
        _line(target)
        assert take_census(target.pid).checked_by in (BY_LAYOUT, BY_OFFSETS)


@pytest.mark.usefixtures("unchecked")
def test_no_sibling_and_no_thread_is_left() -> None:
    """A census cleans up after itself."""
    children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")
    with _started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        _line(target)
        before = children.read_text()
        take_census(target.pid)
        assert children.read_text() == before
