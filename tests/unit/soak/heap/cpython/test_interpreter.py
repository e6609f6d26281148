"""Which Pythons are read, and which are refused by name; the file belongs to the target, and may hold anything."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from soak.heap.census import read_heap
from soak.heap.cpython import interpreter, program
from soak.heap.cpython.interpreter import find_interpreter
from soak.heap.cpython.memory import ProcessMemory
from soak.heap.errors import HeapError
from tests.support.pythons import altered_copy, find_static_interpreter, running


@pytest.fixture
def without_offsets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of the tests has symbols only, as one of CPython 3.12."""
    monkeypatch.setattr(interpreter, "find_debug_offsets", lambda *_: None)


@pytest.mark.usefixtures("without_offsets")
@pytest.mark.parametrize("address", [-1, (1 << 64) - 1, 1 << 48])
def test_symbols_outside_the_address_space_are_refused(monkeypatch: pytest.MonkeyPatch, address: int) -> None:
    """They are what the file says."""
    monkeypatch.setattr(program, "symbols", lambda *_: {"PyType_Type": address})
    monkeypatch.setattr(program, "bias", lambda *_: 0)
    with (
        ProcessMemory(os.getpid()) as memory,
        pytest.raises(HeapError, match="is not mapped as its headers say"),
    ):
        find_interpreter(os.getpid(), memory.maps, memory)


@pytest.mark.usefixtures("without_offsets")
def test_a_process_that_becomes_another_program_is_said_to_be_starting_or_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was at the addresses of its old program is gone: that is no Python 0.0."""
    symbols = dict.fromkeys(("PyType_Type", "Py_Version"), 4096)
    monkeypatch.setattr(program, "symbols", lambda *_: symbols)
    monkeypatch.setattr(program, "bias", lambda *_: 0)
    with (
        ProcessMemory(os.getpid()) as memory,
        pytest.raises(HeapError, match="starting or ending: try again"),
    ):
        find_interpreter(os.getpid(), memory.maps, memory)


@pytest.mark.usefixtures("without_offsets")
@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + bytes(57), None])
def test_a_program_that_changes_or_goes_after_its_symbols_were_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """Its segments are read from the file once more."""

    def opened(*_: object) -> io.BytesIO:
        if content is None:
            raise FileNotFoundError(2, "No such file or directory")
        return io.BytesIO(content)

    monkeypatch.setattr(program, "symbols", lambda *_: {"PyType_Type": 4096})
    monkeypatch.setattr(program, "_open", opened)
    with (
        ProcessMemory(os.getpid()) as memory,
        pytest.raises(HeapError, match="is not mapped as its headers say"),
    ):
        find_interpreter(os.getpid(), memory.maps, memory)


def _python(version: str) -> Path:
    python = find_static_interpreter(version)
    if python is None:
        pytest.skip(f"there is no Python {version} here")
    return python


def _refusal(python: Path, home: Path) -> str:
    with running(python, home) as (pid, _), ProcessMemory(pid) as memory:
        with pytest.raises(HeapError) as refused:
            find_interpreter(pid, memory.maps, memory)
        return str(refused.value).replace(f"pid {pid}", "pid N")


@pytest.mark.parametrize("version", ["3.13", "3.14", "3.15"])
def test_a_python_whose_offsets_differ_is_refused_by_name(version: str, tmp_path: Path) -> None:
    """One that was patched: the layout of its version is checked against what the process itself has in its memory."""
    python = _python(version)
    for name, honest, other in (("dict_object.ma_keys", 32, 40), ("type_object.tp_flags", 168, 176)):
        patched = altered_copy(python, tmp_path, {name: other})
        assert _refusal(patched, python.parents[1]) == (
            f"pid N: {patched} calls itself {version}, but its debug offsets have {name} = {other} where {version} has "
            f"{honest}: a patched or special build. Supported are CPython 3.10 to 3.15, release builds with the GIL."
        )


@pytest.mark.parametrize("version", ["3.13", "3.14", "3.15"])
def test_a_free_threaded_python_is_refused_by_name(version: str, tmp_path: Path) -> None:
    """The cookie is followed by the kind of build."""
    python = _python(version)
    free = altered_copy(python, tmp_path, {"free_threaded": 1})
    assert _refusal(free, python.parents[1]) == (
        f"pid N runs a free-threaded build of CPython {version} ({free}); supported are CPython 3.10 to 3.15, release "
        "builds with the GIL."
    )


def test_a_later_python_is_refused_by_its_version(tmp_path: Path) -> None:
    """What its version is comes from its memory: its types are not looked for."""
    python = _python("3.14")
    later = altered_copy(python, tmp_path, {"version": 0x031000F0})
    assert "pid N runs Python 3.16 (" in _refusal(later, python.parents[1])


@pytest.mark.parametrize("version", ["3.13", "3.14", "3.15"])
def test_types_are_found_without_symbols(version: str, tmp_path: Path) -> None:
    """In a file without section headers no symbol can be looked up; the census is the same."""
    python = _python(version)
    stripped = altered_copy(python, tmp_path, {})
    code = "class Kept: pass\nkeep = [Kept() for _ in range(3000)]\nprint(id(type), id(object), end=' ')"
    with running(stripped, python.parents[1], code) as (pid, words), ProcessMemory(pid) as memory:
        found = find_interpreter(pid, memory.maps, memory)
        assert [found.type_type, found.object_type] == [int(word) for word in words]
        heap = read_heap(memory.maps, memory, found, 1000)
    assert {entry.name: entry.objects for entry in heap.types}["__main__.Kept"] == 3000
