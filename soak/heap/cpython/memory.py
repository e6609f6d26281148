"""Another process's memory: what is mapped, which of it is resident, and reading it without stopping the process.

``process_vm_readv(2)`` copies once and touches nothing but the pages it reads. Pages the target itself never touched
are left out by ``/proc/PID/pagemap``, since reading one would map it. Since Linux 5.19 it gives the target a copy of
its own of each page that it shares with another process since a fork: such a target is read through ``/proc/PID/mem``,
which is slower by half and copies nothing there.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from soak.heap.errors import HeapError, ProcessGoneError
from soak.process.procfs import SYS_PTRACE, is_hidden, started_ticks

Words = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]
Addresses = npt.NDArray[np.int64]

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
USER_SPACE_END = 1 << 48
"""Address above all that a process has unless it asks for more: 47 bits on x86-64, 48 on aarch64."""

_HUGE_PAGES = "/anon_hugepage (deleted)"
"""Path of memory by mmap with MAP_HUGETLB (HUGETLB_ANON_FILE of the kernel's include/linux/hugetlb.h)."""
_PAGEMAP_PAGES = 1 << 16
_PAGE_THERE = np.uint64(3 << 62)
"""Bits 62 and 63 of an entry of pagemap: swapped or present (Documentation/admin-guide/mm/pagemap.rst)."""
_PAGE_PRESENT = np.uint64(1 << 63)
_PAGE_KIND = np.uint64(1 << 63 | 1 << 61 | 1 << 56)
"""Bits of an entry: present, of a file or of shared memory, mapped by this process only."""
_COPIED_BYTES = 1 << 20
"""Pages shared since a fork that a target may be given copies of, bytes."""
MOST_VIRTUAL_BYTES = 8 << 40
"""Most virtual memory of a process that is read, bytes: to ask which pages are there and shared takes 4 s per TiB."""
_MOST_VECTORS = 1024
"""Most vectors of one call of process_vm_readv: IOV_MAX."""


@dataclass(frozen=True, slots=True)
class MemoryMapping:
    """One line of /proc/PID/maps; ``end`` is exclusive, ``offset`` in bytes of the file."""

    start: int
    end: int
    permissions: str
    offset: int
    inode: int
    path: str

    @property
    def anonymous(self) -> bool:
        """Whether an allocator may keep objects in it: private, writable, no file, no stack.

        Huge pages that mmap gave look like a file of the kernel's own.
        """
        named = self.path and self.path != "[heap]" and not self.path.startswith("[anon")
        of_file = (self.inode or named) and self.path != _HUGE_PAGES
        return self.permissions.startswith("rw") and "p" in self.permissions and not of_file


def parse_maps(text: str) -> tuple[MemoryMapping, ...]:
    """Parse the text of /proc/PID/maps; lines that are none are left out."""
    mappings = []
    for line in text.splitlines():
        fields = line.split(None, 5)
        with contextlib.suppress(ValueError):
            span, permissions, offset, _, inode, *path = fields
            start, end = (int(address, 16) for address in span.split("-"))
            if 0 <= start < end <= USER_SPACE_END:
                mappings.append(
                    MemoryMapping(
                        start, end, permissions, int(offset, 16), int(inode), path[0] if path else ""
                    )
                )
    return tuple(mappings)


class Memory(Protocol):
    """Read access to an address space. What cannot be read is missing, never an error, until the process is gone."""

    def read_into(self, address: int, buffer: Octets) -> int:
        """Fill the buffer from ``address`` on; return how many bytes came before the first that is not there."""

    def read_each(self, addresses: Sequence[int] | Words, size: int) -> Octets:
        """Return an array of a row of ``size`` bytes per address; a row that is not wholly there is zeros."""

    def resident(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches between two page addresses that hold something: start, exclusive end."""


class _Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_uint64), ("length", ctypes.c_size_t))


_VECTOR = np.dtype([("base", np.uint64), ("length", np.uint64)])
_read_remote = getattr(ctypes.CDLL(None, use_errno=True), "process_vm_readv", None)
if _read_remote is not None:
    _read_remote.restype = ctypes.c_ssize_t


class ProcessMemory:
    """The memory of a running process; a context manager."""

    def __init__(self, pid: int) -> None:
        """Open it; raises HeapError when it is gone or not ours to read."""
        self._pid = pid
        self._pagemap = -1
        self._mem = -1
        """/proc/PID/mem, where the process shares pages since a fork."""
        self._stretches: dict[tuple[int, int], Addresses] = {}
        """What was resident of each mapping of allocators, when it was opened: they are looked through once."""
        if _read_remote is None or sys.maxsize >> 32 == 0 or sys.byteorder != "little":
            raise HeapError(
                "memory is read on 64-bit little-endian Linux with process_vm_readv only, and this is "
                f"{sys.platform} on {platform.machine()}."
            )
        try:
            self.maps = parse_maps(Path(f"/proc/{pid}/maps").read_text(errors="replace"))
            self._pagemap = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
        except OSError as error:
            raise self._refusal(error.errno) from None
        try:
            self._try_to_read()
            if self._shared_bytes() > _COPIED_BYTES:
                self._mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
        except OSError as error:
            self.close()
            raise self._refusal(error.errno) from None
        except HeapError:
            self.close()
            raise

    def __enter__(self) -> ProcessMemory:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its files. Idempotent."""
        for descriptor in (self._pagemap, self._mem):
            if descriptor >= 0:
                os.close(descriptor)
        self._pagemap = self._mem = -1

    def read_into(self, address: int, buffer: Octets) -> int:
        """As in Memory; raises HeapError when the process is gone or no longer ours to read."""
        if self._mem >= 0:
            return self._read_uncopied(address, buffer)
        local = _Vector(buffer.ctypes.data, buffer.nbytes)
        remote = _Vector(address, buffer.nbytes)
        return self._transfer(ctypes.byref(local), ctypes.byref(remote), 1)

    def read_each(self, addresses: Sequence[int] | Words, size: int) -> Octets:
        """As in Memory; raises HeapError as ``read_into``."""
        wanted = np.asarray(addresses, dtype=np.uint64)
        rows = np.zeros((len(wanted), size), np.uint8)
        if self._mem >= 0:
            for row, address in zip(rows, wanted.tolist(), strict=True):
                if self._read_uncopied(address, row) < size:
                    row[:] = 0
            return rows
        done = 0
        while done < len(wanted):
            remote = np.empty(min(_MOST_VECTORS, len(wanted) - done), _VECTOR)
            remote["base"] = wanted[done : done + len(remote)]
            remote["length"] = size
            local = _Vector(rows.ctypes.data + done * size, len(remote) * size)
            whole, torn = divmod(
                self._transfer(ctypes.byref(local), ctypes.c_void_p(remote.ctypes.data), len(remote)), size
            )
            done += whole
            if whole < len(remote):
                if torn:
                    rows[done] = 0
                done += 1
        return rows

    def resident(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """As in Memory; of an allocator's mapping, what was there when this was opened; raises as ``read_into``."""
        stretches = self._stretches.get((start, end))
        if stretches is None:
            stretches, _ = self._look_through(start, end)
        for begin, stop in stretches:
            yield int(begin), int(stop)

    def is_replaced(self) -> bool:
        """Return whether what was opened is gone: the process has ended, or executes another program."""
        return not os.pread(self._pagemap, 8, self.maps[0].start // PAGE_BYTES * 8)

    def _look_through(self, start: int, end: int) -> tuple[Addresses, int]:
        """Return begin and end of each stretch that holds something, and the number of pages that others map, too."""
        edges = []
        there = np.zeros(1, np.int8)
        shared = 0
        for first, pages, entries in self._entries(start, end):
            last = there[-1:]
            there = np.zeros(pages + 1, np.int8)
            there[0] = last[0]
            there[1 : len(entries) + 1] = (entries & _PAGE_THERE) != 0
            edges.append(first + PAGE_BYTES * np.diff(there).nonzero()[0])
            shared += int(np.count_nonzero((entries & _PAGE_KIND) == _PAGE_PRESENT))
        if there[-1]:
            edges.append(np.array([end]))
        return np.concatenate([*edges, np.empty(0, np.int64)]).reshape(-1, 2), shared

    def _entries(self, start: int, end: int) -> Iterator[tuple[int, int, Words]]:
        """Yield address, number of pages and entries of pagemap of the parts of a mapping."""
        for first in range(start, end, _PAGEMAP_PAGES * PAGE_BYTES):
            pages = min(_PAGEMAP_PAGES, (end - first) // PAGE_BYTES)
            try:
                entries = os.pread(self._pagemap, 8 * pages, first // PAGE_BYTES * 8)
            except OSError as error:
                raise self._refusal(error.errno) from None
            yield first, pages, np.frombuffer(entries, np.uint64, len(entries) // 8)

    def _shared_bytes(self) -> int:
        """Return the size of pages of allocators that other processes map, too, or that were read but never written.

        What is resident is kept for ``resident``.
        """
        pages = 0
        for mapping in self.maps:
            if mapping.anonymous:
                stretches, shared = self._look_through(mapping.start, mapping.end)
                self._stretches[mapping.start, mapping.end] = stretches
                pages += shared
        return pages * PAGE_BYTES

    def _read_uncopied(self, address: int, buffer: Octets) -> int:
        if address >= USER_SPACE_END:
            return 0
        try:
            done = os.preadv(self._mem, [buffer.data], address)
        except OSError as error:
            return self._unread(error.errno)
        if not done:
            raise self._refusal(errno.ESRCH)
        return done

    def _try_to_read(self) -> None:
        if not self.maps:
            raise ProcessGoneError(f"pid {self._pid} has no memory: it is a zombie or a kernel thread.")
        virtual_bytes = sum(mapping.end - mapping.start for mapping in self.maps if mapping.anonymous)
        if virtual_bytes > MOST_VIRTUAL_BYTES:
            raise HeapError(
                f"pid {self._pid} maps {virtual_bytes >> 40} TiB of memory of its own, touched or not; at most "
                f"{MOST_VIRTUAL_BYTES >> 40} TiB are looked through."
            )
        readable = next((mapping for mapping in self.maps if "r" in mapping.permissions), self.maps[0])
        self.read_into(readable.start, np.empty(8, np.uint8))

    def _transfer(self, local: object, remote: object, count: int) -> int:
        """Return how many bytes were read; 0 when the first is not there."""
        done = _read_remote(  # type: ignore[misc]  # __init__ has made sure of it
            ctypes.c_int(self._pid),
            local,
            ctypes.c_ulong(1),
            remote,
            ctypes.c_ulong(count),
            ctypes.c_ulong(0),
        )
        return int(done) if done >= 0 else self._unread(ctypes.get_errno())

    def _unread(self, number: int | None) -> int:
        """Return 0 for memory that is not there; raises HeapError for another reason."""
        if number not in (errno.EFAULT, errno.EIO, errno.ENOMEM):
            raise self._refusal(number)
        return 0

    def _refusal(self, number: int | None) -> HeapError:
        if number == errno.ENOENT and is_hidden(self._pid):
            return HeapError(
                f"pid {self._pid} is hidden by the mount option hidepid of /proc: run this as its user, or with sudo."
            )
        if number == errno.ESRCH and started_ticks(self._pid) is not None:
            return ProcessGoneError(
                f"pid {self._pid} has no memory: it is a kernel thread, or it is just ending."
            )
        if number in (errno.ESRCH, errno.ENOENT):
            return ProcessGoneError(f"pid {self._pid} is gone, or there never was such a process.")
        if number in (errno.EPERM, errno.EACCES):
            return HeapError(refused_text(self._pid))
        return HeapError(f"pid {self._pid} cannot be read: {os.strerror(number or 0)}.")


def refused_text(pid: int, proc: Path = Path("/proc")) -> str:
    """Say why a process is not ours to read, and the fix."""
    try:
        owner = (proc / str(pid)).stat().st_uid
    except OSError:
        return f"pid {pid} is gone, or there never was such a process."
    ours = os.geteuid()
    if ours not in (0, owner):
        return f"pid {pid} belongs to user {owner}, and we are {ours}: run this as that user, or with sudo."
    try:
        scope = int((proc / "sys/kernel/yama/ptrace_scope").read_text())
    except (OSError, ValueError):
        scope = 0
    if scope and ours:
        return (
            f"pid {pid} is not our child, and kernel.yama.ptrace_scope is {scope}: run this with sudo, or allow it "
            "with: sudo sysctl kernel.yama.ptrace_scope=0"
        )
    return (
        f"reading the memory of pid {pid} is refused: a container needs the capability {SYS_PTRACE}, and a process "
        "that made itself undumpable is read by root alone."
    )
