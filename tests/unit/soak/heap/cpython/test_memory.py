"""Maps, pools of small blocks, and why a process is not ours to read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from soak.heap.cpython import memory as module
from soak.heap.cpython.memory import MemoryMapping, ProcessMemory, parse_maps, refused_text
from soak.heap.cpython.pymalloc_pools import POOL_BYTES, PoolSum, outside_pools
from soak.heap.errors import HeapError, ProcessGoneError
from tests.support.fake_memory import HEAP, FakeMemory

MAPS = """\
00400000-00452000 r-xp 00000000 08:02 173521 /usr/bin/my python (deleted)
00651000-00652000 rw-p 00051000 08:02 173521 /usr/bin/my python (deleted)
01a2b000-01a4c000 rw-p 00000000 00:00 0      [heap]
7f0000000000-7f0000100000 rw-p 00000000 00:00 0
7f0000200000-7f0000300000 rw-p 00000000 00:00 0 [anon: glibc: malloc]
7f0000400000-7f0000500000 rw-s 00000000 00:01 99 /dev/zero (deleted)
7f0000500000-7f0000600000 rw-p 00000000 00:11 74565 /anon_hugepage (deleted)
7f0000600000-7f0000700000 ---p 00000000 00:00 0
7f0000800000-7f0000a00000 rw-s 00000000 00:11 74566 /anon_hugepage (deleted)
7f0000b00000-7f0000c00000 rw-p 00000000 08:02 74567 /tmp/anon_hugepage (deleted)
7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0 [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]
this is no line of maps
7f00-zz rw-p 0 0 0
"""


def test_allocators_memory_is_told_from_files_stacks_and_shared_memory() -> None:
    """Private, writable, of no file: the heap, what mmap gave, named or not, and in huge pages."""
    maps = parse_maps(MAPS)
    assert len(maps) == 11  # vsyscall is beyond user addresses
    assert [mapping.start for mapping in maps if mapping.anonymous] == [
        0x1A2B000,
        0x7F0000000000,
        0x7F0000200000,
        0x7F0000500000,
    ]
    assert maps[1] == MemoryMapping(
        0x651000, 0x652000, "rw-p", 0x51000, 173521, "/usr/bin/my python (deleted)"
    )


def _pool(size_index: int, live: int = 0) -> bytes:
    numbers = np.array([0, size_index, 4096, POOL_BYTES - 16 * (size_index + 1)], np.uint32)
    head = np.array([live], np.uint32).tobytes() + bytes(28) + numbers.tobytes()
    return head.ljust(POOL_BYTES, b"x")


def test_pools_are_left_out_and_nothing_else() -> None:
    """Two pools side by side, one whose sizes disagree, and what lies before, between and after."""
    start = HEAP - 4096
    wrong = bytearray(_pool(3))
    wrong[44] ^= 16
    content = bytes(4096) + _pool(0) + _pool(31) + bytes(wrong) + _pool(7) + bytes(8192)
    memory = FakeMemory({start: bytearray(content)})
    assert list(outside_pools(memory, start, start + len(content))) == [
        (start, HEAP),
        (HEAP + 2 * POOL_BYTES, HEAP + 3 * POOL_BYTES),
        (HEAP + 4 * POOL_BYTES, start + len(content)),
    ]
    assert list(outside_pools(memory, HEAP, HEAP + 4096)) == [(HEAP, HEAP + 4096)]


def test_free_bytes_of_pools_are_summed() -> None:
    """A pool without a live block is free as a whole; one of 512 bytes a block holds 31; what is no pool has none."""
    content = (
        _pool(3) + _pool(31, live=30) + _pool(31, live=31) + bytes(POOL_BYTES) + _pool(0, live=1_000_000)
    )
    memory = FakeMemory({HEAP: bytearray(content)})
    passed = PoolSum()
    list(outside_pools(memory, HEAP, HEAP + len(content), passed))
    assert passed.free_bytes == POOL_BYTES + 512


@pytest.mark.parametrize(
    "shared_over_bytes", [1 << 40, -1], ids=["its own pages", "pages shared since a fork"]
)
def test_what_cannot_be_read_is_zeros_and_hides_nothing_beside_it(
    monkeypatch: pytest.MonkeyPatch, shared_over_bytes: int
) -> None:
    """Rows of good and bad addresses in turn, a page's end among them; however the process is read."""
    monkeypatch.setattr(module, "_COPIED_BYTES", shared_over_bytes)
    block = np.frombuffer(b"0123456789abcdef" * 4, np.uint8)
    good = block.ctypes.data
    with ProcessMemory(os.getpid()) as memory:
        rows = memory.read_each([good, 1, good + 16, (1 << 63) + 5, 0, good + 32], 16)
    assert [bytes(row) for row in rows] == [
        b"0123456789abcdef", bytes(16), b"0123456789abcdef", bytes(16), bytes(16), b"0123456789abcdef"
    ]  # fmt: skip


def test_only_pages_that_hold_something_are_resident() -> None:
    """Of a mapping, the stretches that were touched, to the page."""
    import mmap

    page = mmap.PAGESIZE
    area = mmap.mmap(-1, 64 * page, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    area.madvise(mmap.MADV_NOHUGEPAGE)
    for number in (3, 4, 9):
        area[number * page] = 1
    view = np.frombuffer(area, np.uint8)
    start = view.ctypes.data
    with ProcessMemory(os.getpid()) as memory:
        found = list(memory.resident(start, start + 64 * page))
    assert found == [(start + 3 * page, start + 5 * page), (start + 9 * page, start + 10 * page)]


def test_a_hidden_process_is_not_taken_for_one_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the mount option hidepid another user's process has no directory in /proc."""
    monkeypatch.setattr(module, "is_hidden", lambda _: True)
    with pytest.raises(HeapError, match="hidden by the mount option hidepid of /proc: run this as its user"):
        ProcessMemory(999_999_999)


@pytest.mark.parametrize(
    ("us", "scope", "fix"),
    [(12345678, "0", "run this as that user, or with sudo"), (None, "1", "sysctl kernel.yama.ptrace_scope=0"),
     (None, "0", "--cap-add SYS_PTRACE"), (0, "1", "--cap-add SYS_PTRACE")],
)  # fmt: skip
def test_a_refusal_comes_with_its_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, us: int | None, scope: str, fix: str
) -> None:
    """Another user's process, a child of someone else, a container: each has its own."""
    (tmp_path / "7").mkdir()
    yama = tmp_path / "sys/kernel/yama"
    yama.mkdir(parents=True)
    (yama / "ptrace_scope").write_text(scope)
    owner = (tmp_path / "7").stat().st_uid
    if us is None and owner == 0:  # as root the scope does not matter: pretend to be somebody
        os.chown(tmp_path / "7", 4711, -1)
        owner = 4711
    monkeypatch.setattr("os.geteuid", lambda: owner if us is None else us)
    assert fix in refused_text(7, tmp_path)


def test_a_process_that_is_refused_keeps_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A recorder asks again every half minute; with ptrace_scope it is the first read that is refused."""

    def refuse(memory: ProcessMemory, *_: object) -> int:
        raise memory._refusal(errno.EPERM)

    monkeypatch.setattr(ProcessMemory, "_transfer", refuse)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        with pytest.raises(HeapError, match="is refused"):
            ProcessMemory(os.getpid())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_process_that_maps_more_than_can_be_looked_through_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """To ask which pages of it are resident would take minutes, also where none is."""
    huge = MemoryMapping(1 << 40, 10 << 40, "rw-p", 0, 0, "")
    monkeypatch.setattr("soak.heap.cpython.memory.parse_maps", lambda _: (huge,))
    with pytest.raises(HeapError, match="maps 9 TiB of memory of its own, touched or not; at most 8 TiB"):
        ProcessMemory(os.getpid())


def test_a_kernel_thread_is_not_said_to_be_gone() -> None:
    """It is there, and will be: the number is that of a process without memory."""
    try:
        is_thread = Path("/proc/2/comm").read_text() == "kthreadd\n"
    except OSError:
        is_thread = False
    if not is_thread:
        pytest.skip("no kernel thread is visible here: a container has a /proc of its own")
    with pytest.raises(ProcessGoneError, match="pid 2 has no memory: it is a kernel thread"):
        ProcessMemory(2).__enter__()
