"""Programs whose file is not what it should be: it belongs to the target, and so may hold anything."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import pytest

from soak.heap.cpython import program
from soak.heap.cpython.interpreter import TYPE_SYMBOLS, find_interpreter
from soak.heap.cpython.memory import ProcessMemory
from soak.heap.cpython.program import symbols_of
from soak.heap.errors import HeapError

_GNU_HASH = 0x6FFFFFF6


def _hashed_file() -> tuple[bytearray, int]:
    """Return a library of ours with a GNU hash table, and where in it that begins."""
    maps = Path("/proc/self/maps").read_text().split()
    path = next(word for word in maps if word.startswith("/") and "libc.so" in word)
    content = bytearray(Path(path).read_bytes())
    (headers,) = struct.unpack_from("<Q", content, 0x28)
    size, count = struct.unpack_from("<HH", content, 0x3A)
    for number in range(count):
        _, kind, _, _, offset = struct.unpack_from("<IIQQQ", content, headers + number * size)
        if kind == _GNU_HASH:
            return content, offset
    pytest.skip("the C library here has no GNU hash table")


def test_symbols_are_found_by_the_hash_table() -> None:
    """Else the two tests below would show nothing."""
    content, _ = _hashed_file()
    assert symbols_of(io.BytesIO(content), ["malloc", "PyType_Type"]).keys() == {"malloc"}


@pytest.mark.parametrize(
    ("offset", "words"),
    [(8, (0,)), (0, (0,)), (4, (0xFFFF_FFFF,)), (0, (1, 1, 1, 0, 0xFFFF_FFFF, 0xFFFF_FFFF))],
)
def test_a_hash_table_of_garbage_has_no_symbols(offset: int, words: tuple[int, ...]) -> None:
    """Divisions by zero and reads beyond the end are the file's fault, no crash of ours."""
    content, table = _hashed_file()
    struct.pack_into(f"<{len(words)}I", content, table + offset, *words)
    assert symbols_of(io.BytesIO(content), ["malloc", "PyType_Type"]).keys() <= {"malloc"}


@pytest.mark.parametrize("address", [-1, (1 << 64) - 1, 1 << 47])
def test_symbols_outside_the_address_space_are_refused(monkeypatch: pytest.MonkeyPatch, address: int) -> None:
    """They are what the file says."""
    monkeypatch.setattr(program, "symbols", lambda *_: dict.fromkeys(TYPE_SYMBOLS, address))
    monkeypatch.setattr(program, "bias", lambda *_: 0)
    with (
        ProcessMemory(os.getpid()) as memory,
        pytest.raises(HeapError, match="is not mapped as its headers say"),
    ):
        find_interpreter(os.getpid(), memory.maps, memory)


def test_a_process_that_becomes_another_program_is_said_to_be_starting_or_ending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What was at the addresses of its old program is gone: that is no Python 0.0."""
    symbols = dict.fromkeys((*TYPE_SYMBOLS, "Py_Version"), 4096)
    monkeypatch.setattr(program, "symbols", lambda *_: symbols)
    monkeypatch.setattr(program, "bias", lambda *_: 0)
    with (
        ProcessMemory(os.getpid()) as memory,
        pytest.raises(HeapError, match="starting or ending: try again"),
    ):
        find_interpreter(os.getpid(), memory.maps, memory)


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x02\x01\x01" + bytes(57), None])
def test_a_program_that_changes_or_goes_after_its_symbols_were_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    """Its segments are read from the file once more."""

    def opened(*_: object) -> io.BytesIO:
        if content is None:
            raise FileNotFoundError(2, "No such file or directory")
        return io.BytesIO(content)

    monkeypatch.setattr(program, "symbols", lambda *_: dict.fromkeys(TYPE_SYMBOLS, 4096))
    monkeypatch.setattr(program, "_open", opened)
    with (
        ProcessMemory(os.getpid()) as memory,
        pytest.raises(HeapError, match="is not mapped as its headers say"),
    ):
        find_interpreter(os.getpid(), memory.maps, memory)
