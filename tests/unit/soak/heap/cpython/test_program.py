"""Files of programs that are not what they should be: they belong to the target, and so may hold anything."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from soak.heap.cpython.program import symbols_of

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
