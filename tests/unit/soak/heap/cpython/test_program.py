"""Files of programs that are not what they should be: they belong to the target, and so may hold anything."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from soak.heap.cpython import program
from soak.heap.cpython.memory import parse_maps
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


class EndlessError(BaseException):
    """A file was read on and on."""


class Sparse(io.RawIOBase):
    """A file of 8 TiB that is zeros beyond its content, as a sparse one is for the price of a page."""

    END = 1 << 43

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._place = 0
        self._reads = 0

    def read(self, size: int = -1) -> bytes:
        self._reads += 1
        if self._reads > 50_000 or not 0 <= size <= 1 << 24:
            raise EndlessError
        found = self._content[self._place : self._place + size].ljust(
            min(size, self.END - self._place), b"\0"
        )
        self._place += len(found)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + (self._place if whence == io.SEEK_CUR else self.END if whence else 0)
        return self._place

    def tell(self) -> int:
        return self._place


def _sections_without_end() -> bytes:
    """Return a file with 2**36 sections: their number is in the first where the header has none."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 0, 64, 0, 64, 56, 0, 64, 0, 0)
    return header + struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 1 << 36, 0, 0, 0, 0)


def _segments_without_end() -> bytes:
    """Return a file with 2**32 - 1 segments, counted in its first section."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0, 256, 64, 0, 64, 56, 0xFFFF, 64, 1, 0)
    return header + struct.pack("<IIQQQQIIQQ", 0, 0, 0, 0, 0, 0, 0, 0xFFFF_FFFF, 0, 0)


def _buckets_without_end() -> bytes:
    content, table = _hashed_file()
    struct.pack_into("<4I", content, table, 0xFFFF_FFFF, 1, 1, 0)
    return bytes(content)


def _bloom_without_end() -> bytes:
    content, table = _hashed_file()
    struct.pack_into("<4I", content, table, 1, 1, 0xFFFF_FFFF, 0)
    return bytes(content)


def _symbols_without_end() -> bytes:
    """Return a library of ours without a hash table, and with tables of 2**36 symbols."""
    content, _ = _hashed_file()
    (headers,) = struct.unpack_from("<Q", content, 0x28)
    size, count = struct.unpack_from("<HH", content, 0x3A)
    for place in range(headers, headers + count * size, size):
        (kind,) = struct.unpack_from("<I", content, place + 4)
        if kind == _GNU_HASH:
            struct.pack_into("<I", content, place + 4, 1)
        elif kind in (2, 11):
            struct.pack_into("<Q", content, place + 32, 24 << 36)
    return bytes(content)


@pytest.mark.parametrize(
    "forged", [_sections_without_end, _buckets_without_end, _bloom_without_end, _symbols_without_end]
)
def test_a_file_that_states_more_than_can_be_read_has_no_symbols(
    forged: Callable[[], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither time nor memory goes with what it states."""
    monkeypatch.setattr(program, "_MOST_READS", 20_000)
    assert symbols_of(Sparse(forged()), ["PyType_Type"]) == {}  # type: ignore[arg-type]


def test_segments_without_end_are_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same of the headers that say where a file is mapped."""
    monkeypatch.setattr(program, "_MOST_READS", 20_000)
    monkeypatch.setattr(program, "_open", lambda *_: Sparse(_segments_without_end()))
    with pytest.raises(HeapError, match="is not mapped as its headers say"):
        program.bias(1, "/usr/bin/python3", ())


@pytest.mark.timeout(20)
def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    """At the path of a library the target's own file system may have a FIFO by now: to open it would block."""
    path = tmp_path / "libpython3.so"
    os.mkfifo(path)
    with pytest.raises(HeapError, match="cannot be opened: it is a FIFO, not a regular file"):
        program.symbols(os.getpid(), str(path), ["PyType_Type"])
    with pytest.raises(HeapError, match="is not mapped as its headers say"):
        program.bias(os.getpid(), str(path), ())


def test_a_program_of_ours_is_read_within_the_bounds() -> None:
    """Our own Python's symbols, and where it is mapped."""
    maps = parse_maps(Path("/proc/self/maps").read_text())
    found = {
        path: symbols
        for path in program.candidates(os.getpid(), maps)
        if (symbols := program.symbols(os.getpid(), path, ["PyType_Type"]))
    }
    if not found:
        pytest.skip("our Python exports no symbols")
    (path, symbols), *_ = found.items()
    assert program.bias(os.getpid(), path, maps) + symbols["PyType_Type"] == id(type)
