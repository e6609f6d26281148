"""How what a process has in memory is cut into chunks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from soak.heap.cpython import chunks as module
from soak.heap.cpython.chunks import ChunkReader
from soak.heap.cpython.layout import FIELDS_BYTES
from soak.heap.cpython.memory import PAGE_BYTES, MemoryMapping, Octets
from soak.heap.cpython.pymalloc_pools import POOL_BYTES
from tests.support.fake_memory import HEAP, FakeMemory

PAGES = 64
MAPPING = MemoryMapping(HEAP, HEAP + PAGES * PAGE_BYTES, "rw-p", 0, 0, "")


class _Touched(FakeMemory):
    """A mapping of which some pages were touched; a page is full of its number plus one."""

    def __init__(self, *stretches: tuple[int, int], gone: int | None = None) -> None:
        """``stretches`` are first and end, in pages; the page ``gone`` vanishes before it is read."""
        super().__init__({})
        self._stretches = stretches
        for number in (number for stretch in stretches for number in range(*stretch) if number != gone):
            self.segments[HEAP + number * PAGE_BYTES] = bytearray([number + 1] * PAGE_BYTES)

    def read_into(self, address: int, buffer: Octets) -> int:
        done = 0
        while done < buffer.nbytes and (
            got := super().read_into(address + done, buffer[done : done + PAGE_BYTES])
        ):
            done += got
        return done

    def resident(self, start: int, end: int) -> Iterator[tuple[int, int]]:  # noqa: ARG002
        for first, last in self._stretches:
            yield HEAP + first * PAGE_BYTES, HEAP + last * PAGE_BYTES


def _chunks(memory: _Touched) -> tuple[list[tuple[int, list[int]]], int]:
    """Return of each chunk its first page and the first byte of each of its pages; and the bytes that were read."""
    reader = ChunkReader(memory)
    found = []
    for chunk in reader.chunks([MAPPING]):
        assert chunk.words.nbytes == 8 * chunk.searched + FIELDS_BYTES
        pages = chunk.words[: chunk.searched].view(np.uint8)[::PAGE_BYTES].tolist()
        found.append(((chunk.address - HEAP) // PAGE_BYTES, pages))
    return found, reader.read_bytes


def test_small_holes_are_zeros_and_a_large_one_begins_a_chunk() -> None:
    """Pages that were never touched are not read, and do not cut what is around them into many chunks."""
    found, read_bytes = _chunks(_Touched((1, 3), (5, 6), (40, 41)))
    assert found == [(1, [2, 3, 0, 0, 6]), (40, [41])]
    assert read_bytes == 4 * PAGE_BYTES


def test_what_vanishes_before_it_is_read_is_zeros() -> None:
    """What was in the buffer before does not show, and what comes after is read."""
    found, _ = _chunks(_Touched((0, 3), (4, 5), gone=1))
    assert found == [(0, [1, 0, 0, 0, 5])]


def test_a_chunk_ends_where_a_pool_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a stretch is, and wherever it begins; the words behind a chunk are those of the next."""
    monkeypatch.setattr(module, "CHUNK_BYTES", 2 * POOL_BYTES)
    pages = POOL_BYTES // PAGE_BYTES
    memory = _Touched((1, 5 * pages))
    found, _ = _chunks(memory)
    assert [(first, len(content)) for first, content in found] == [
        (1, 2 * pages - 1), (2 * pages, 2 * pages), (4 * pages, pages)
    ]  # fmt: skip
    behind = [
        bytes(chunk.words.view(np.uint8)[-FIELDS_BYTES:]) for chunk in ChunkReader(memory).chunks([MAPPING])
    ]
    assert behind == [
        bytes([2 * pages + 1] * FIELDS_BYTES),
        bytes([4 * pages + 1] * FIELDS_BYTES),
        bytes(FIELDS_BYTES),
    ]
