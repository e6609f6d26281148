"""The census of real Pythons: what it leaves alone, what it is checked against, and what is refused."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from soak.heap import census as census_module
from soak.heap.census import BY_LAYOUT, BY_OFFSETS, read_heap, take_census
from soak.heap.cpython.interpreter import find_interpreter
from soak.heap.cpython.memory import PAGE_BYTES, MemoryMapping, ProcessMemory
from soak.heap.errors import HeapError, ProcessGoneError
from tests.support.piped import line_of, started
from tests.support.pythons import pythons

pytestmark = pytest.mark.integration

TARGET = Path(__file__).parent / "heap_target.py"


def test_a_census_leaves_the_target_alone() -> None:
    """Memory it mapped but never touched stays untouched: reading would have mapped it."""
    code = """
import mmap, sys
untouched = mmap.mmap(-1, 1 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
print(flush=True); sys.stdin.read()
"""
    with started(sys.executable, "-S", "-c", code) as target:
        line_of(target)

        def tables_kb() -> int:
            status = Path(f"/proc/{target.pid}/status").read_text()
            return int(status.partition("VmPTE:")[2].split()[0])

        before = tables_kb()
        census = take_census(target.pid)
        assert tables_kb() == before
        assert census.read_bytes < 200 << 20


def test_a_target_that_dies_meanwhile_is_said_to_be_gone() -> None:
    """Killed in the middle of the walk: an error with its pid, no traceback and no half census."""
    with started(sys.executable, TARGET, "2000") as target:
        line_of(target)
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
    with started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        line_of(target)

        def dies(pid: int, *_: object) -> Any:
            target.kill()
            target.wait()
            raise HeapError(f"pid {pid} shows no CPython")

        monkeypatch.setattr(census_module, "find_interpreter", dies)
        with pytest.raises(ProcessGoneError, match="ended while it was read"):
            take_census(target.pid)


def test_memory_unmapped_under_the_reader_is_left_out() -> None:
    """Stretches that are gone since the maps were read count as empty."""
    with started(sys.executable, TARGET, "2000") as target:
        truth = json.loads(line_of(target))
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
    with started("nice", sys.executable, "-c", code) as target:
        line_of(target)
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
    with started("sleep", "60") as target:
        assert "(sleep) shows no CPython" in _message(target.pid)


@pytest.mark.parametrize("version", ["3.6", "3.7", "3.8", "3.9"])
def test_an_old_python_is_refused_by_its_version(version: str) -> None:
    """Its layout is not known; the message says which are."""
    python = pythons().get(f"{version}-built")
    if python is None:
        pytest.skip(f"not on this machine: Python {version}")
    with started(python, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        line_of(target)
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
    with started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        line_of(target)
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
    with started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        line_of(target)
        with pytest.raises(HeapError, match="failed its check: of 5,000 objects"):
            take_census(target.pid)


@pytest.mark.usefixtures("unchecked")
def test_a_program_that_cannot_be_started_again_is_checked_by_its_layout() -> None:
    """An executable that is gone since has no sibling; the census says so."""
    with started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        line_of(target)
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
    with started(sys.executable, "-S", TARGET, "300") as target:
        line_of(target)
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
    with started(sys.executable, "-S", "-c", code) as target:
        line_of(target)
        census = take_census(target.pid)
    names = {entry.name for entry in census.types}
    assert max(map(len, names)) <= 200
    assert any(name.startswith("mmmm") for name in names)
    assert any("a?[31mb" in name for name in names)
    assert sum(entry.objects for entry in census.types if entry.name.startswith("__main__.T")) == 1000


def test_the_command_prints_a_table_and_its_cost() -> None:
    """As a user starts it, on a process that is not ours to prepare; then on one that is no Python."""
    with started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        line_of(target)
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
    with started("sleep", "60") as other:
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
    with started(
        server, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()", env=environment
    ) as target:
        line_of(target)
        assert take_census(target.pid).checked_by in (BY_LAYOUT, BY_OFFSETS)


@pytest.mark.usefixtures("unchecked")
def test_no_sibling_and_no_thread_is_left() -> None:
    """A census cleans up after itself."""
    children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children")
    with started(sys.executable, "-S", "-c", "print(flush=True); import sys; sys.stdin.read()") as target:
        line_of(target)
        before = children.read_text()
        take_census(target.pid)
        assert children.read_text() == before
