"""``_Py_DebugOffsets`` in the memory of real processes, and in memory that holds something else."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soak.heap.cpython import debug_offsets
from soak.heap.cpython.debug_offsets import (
    COOKIE,
    NAMES,
    DebugOffsets,
    find_debug_offsets,
    interpreters,
    word_at,
)
from soak.heap.cpython.memory import MemoryMapping, ProcessMemory
from tests.support.fake_memory import FakeMemory
from tests.support.pythons import altered_copy, find_interpreter, running

VERSIONS = ["3.13", "3.14", "3.15"]
WHERE = "print(id(type), *sys.version_info[:3], end=' ')"


def _python(version: str) -> Path:
    python = find_interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    return Path(python).resolve()


def _type_address(found: DebugOffsets, memory: ProcessMemory) -> int:
    state = interpreters(found, memory)[-1]
    modules = word_at(state + found["interpreter_state.sysdict"], memory)
    return word_at(word_at(modules + found["pyobject.ob_type"], memory) + found["pyobject.ob_type"], memory)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_offsets_of_a_process_lead_to_its_types(version: str) -> None:
    """Version and build are the process's own, and interpreters → sys.__dict__ → dict → type is where id(type) is."""
    with running(_python(version), code=WHERE) as (pid, words), ProcessMemory(pid) as memory:
        found = find_debug_offsets(pid, memory.maps, memory)
        assert found is not None
        type_address, *numbers = map(int, words)
        assert found.version == tuple(numbers)
        assert not found.free_threaded
        assert found["pyobject.size"] == 16
        (main,) = interpreters(found, memory)
        assert _type_address(found, memory) == type_address
        if version != "3.13":
            thread = word_at(main + found["interpreter_state.threads_main"], memory)
            assert word_at(thread + found["thread_state.native_thread_id"], memory) == pid
            assert found["debugger_support.debugger_script_path_size"] == 512


def test_a_file_without_symbols_and_sections_is_no_hindrance(tmp_path: Path) -> None:
    """The cookie is found in memory; of the file nothing is read."""
    python = _python("3.14")
    stripped = altered_copy(python, tmp_path, {})
    with (
        running(stripped, python.parents[1], WHERE) as (pid, (type_address, *_)),
        ProcessMemory(pid) as memory,
    ):
        found = find_debug_offsets(pid, memory.maps, memory)
        assert found is not None
        assert _type_address(found, memory) == int(type_address)


def test_an_older_python_and_another_program_have_none() -> None:
    """None is no error: 3.10 to 3.12 are read without."""
    if sys.version_info < (3, 13):
        with ProcessMemory(os.getpid()) as memory:
            assert find_debug_offsets(os.getpid(), memory.maps, memory) is None
    with subprocess.Popen(["sleep", "60"]) as other:
        try:
            with ProcessMemory(other.pid) as memory:
                assert find_debug_offsets(other.pid, memory.maps, memory) is None
        finally:
            other.kill()


def test_the_fields_are_as_many_as_each_version_has_words() -> None:
    """With cookie, version and free_threaded: 73, 95 and 111."""
    assert [3 + len(NAMES[3, minor]) for minor in (13, 14, 15)] == [73, 95, 111]
    for names in NAMES.values():
        assert len(set(names)) == len(names)


DATA = 0x7F00_0000_0000
MAPS = (MemoryMapping(DATA, DATA + 8192, "rw-p", 0, 7, "/opt/python3.14"),)


def _found(*words: int, monkeypatch: pytest.MonkeyPatch) -> DebugOffsets | None:
    monkeypatch.setattr(debug_offsets, "candidates", lambda *_: ["/opt/python3.14"])
    content = bytearray(8192)
    content[64 : 64 + 8 * len(words)] = b"".join(ctypes.c_uint64(word) for word in words)
    return find_debug_offsets(1, MAPS, FakeMemory({DATA: content}))


_COOKIE = int.from_bytes(COOKIE, "little")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a version before the table", (_COOKIE, 0x030C01F0, 0, 8)),
        ("no version", (_COOKIE, (1 << 64) - 1, 0, 8)),
        ("a build that is neither", (_COOKIE, 0x030E0AF0, 2, 8)),
        ("nothing behind it", (_COOKIE, 0x030E0AF0, 0)),
        ("offsets that are addresses", (_COOKIE, 0x030E0AF0, 0, 1 << 40)),
    ],
)
def test_a_cookie_before_something_else_is_passed_by(
    name: str, words: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight bytes may be anything."""
    assert _found(*words, monkeypatch=monkeypatch) is None, name


def test_a_free_threaded_build_and_a_later_version_are_known_by_the_cookie(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is refused is refused by its name."""
    free = _found(_COOKIE, 0x030E0AF0, 1, 8, monkeypatch=monkeypatch)
    later = _found(_COOKIE, 0x031000F0, 0, 1 << 40, monkeypatch=monkeypatch)
    assert free is not None
    assert (free.version, free.free_threaded, free.runtime) == ((3, 14, 10), True, DATA + 64)
    assert later is not None
    assert (later.version, dict(later.offsets)) == ((3, 16, 0), {})


def test_a_ring_of_interpreters_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list is the target's memory: a loop in it is no loop of ours."""
    names = NAMES[3, 14]
    words = [0] * len(names)
    words[names.index("runtime_state.interpreters_head")] = 1024
    words[names.index("interpreter_state.next")] = 16
    monkeypatch.setattr(debug_offsets, "candidates", lambda *_: ["/opt/python3.14"])
    content = bytearray(8192)
    table = (_COOKIE, 0x030E0AF0, 0, *words)
    content[: 8 * len(table)] = b"".join(ctypes.c_uint64(word) for word in table)
    content[1024:1032] = (DATA + 2048).to_bytes(8, "little")
    content[2048 + 16 : 2048 + 24] = (DATA + 2048).to_bytes(8, "little")
    memory = FakeMemory({DATA: content})
    found = find_debug_offsets(1, MAPS, memory)
    assert found is not None
    assert interpreters(found, memory) == (DATA + 2048,)


def test_data_full_of_cookies_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hostile process has as many as it likes; 64 are looked at."""
    assert _found(*[_COOKIE] * 500, monkeypatch=monkeypatch) is None
    honest = (_COOKIE, 0x030E0AF0, 1)
    assert _found(*[_COOKIE] * 60, *honest, monkeypatch=monkeypatch) is not None
    assert _found(*[_COOKIE] * 64, *honest, monkeypatch=monkeypatch) is None
