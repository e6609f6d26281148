"""Has a running CPython 3.14 or later run a file, by what PEP 768 lays down for debuggers.

The path of the file is written into the state of the main thread, which runs it when it next looks for what is pending,
between two instructions. Nothing else of the process is written.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final

import numpy as np

from soak.heap.cpython.debug_offsets import DebugOffsets, find_debug_offsets, interpreters, word_at
from soak.heap.cpython.memory import MemoryMapping, ProcessMemory, refused_text
from soak.heap.cpython.program import executable
from soak.heap.errors import HeapError, ProcessGoneError

_PLEASE_STOP: Final = 1 << 5
"""Bit of a thread's eval_breaker after which it looks for what is pending."""
_FIX: Final = "start it with the probe, see docs/how-to/attach.md"


@dataclass(frozen=True, slots=True)
class RemoteExec:
    """Where a process is told which file to run."""

    pid: int
    version: str
    """Its version of Python."""
    _breaker: int
    """Address of the lowest byte of the main thread's eval_breaker, whose bits are requests."""
    _pending: int
    """Address of the flag that a file is to be run."""
    _path: int
    """Address of the path."""
    _path_bytes: int
    """Room for the path and its end, bytes."""

    def request(self, path: str) -> None:
        """Have the file at this path, in the process's mount namespace, run; raises HeapError."""
        text = os.fsencode(path) + b"\0"
        if len(text) > self._path_bytes:
            raise HeapError(f"pid {self.pid}: {path} is longer than {self._path_bytes - 1} bytes.")
        self._write([(self._path, text), (self._pending, (1).to_bytes(4, "little"))])
        # Only this byte of the word: the others are the version of the monitoring, which it may change meanwhile.
        with ProcessMemory(self.pid) as memory:
            byte = np.zeros(1, np.uint8)
            memory.read_into(self._breaker, byte)
        self._write([(self._breaker, bytes([int(byte[0]) | _PLEASE_STOP]))])

    def withdraw(self) -> None:
        """Take the request back, in case it was not read yet; raises HeapError."""
        self._write([(self._pending, bytes(4)), (self._path, b"\0")])

    def _write(self, parts: list[tuple[int, bytes]]) -> None:
        try:
            memory = os.open(f"/proc/{self.pid}/mem", os.O_WRONLY | os.O_CLOEXEC)
        except PermissionError:
            raise HeapError(refused_text(self.pid)) from None
        except OSError:
            raise ProcessGoneError(f"pid {self.pid} is gone.") from None
        try:
            for address, data in parts:
                if os.pwrite(memory, data, address) != len(data):
                    raise ProcessGoneError(f"pid {self.pid} is gone.")
        except OSError as error:
            raise HeapError(f"pid {self.pid}: its memory cannot be written ({error.strerror}).") from None
        finally:
            os.close(memory)


def find_remote_exec(pid: int) -> RemoteExec:
    """Return how a process is asked; nothing is written.

    Raises HeapError for one that is gone, not ours to trace, no CPython of 3.14 or 3.15 with the GIL, or does not allow
    it.
    """
    with ProcessMemory(pid) as memory:
        found = find_debug_offsets(pid, memory.maps, memory)
        if found is None:
            name = PurePath(executable(pid) or "?").name
            raise HeapError(
                f"pid {pid} ({name}) has no CPython of 3.14 or later, which alone takes a probe while it runs; {_FIX}."
            )
        version = ".".join(map(str, found.version))
        if found.free_threaded:
            raise HeapError(
                f"pid {pid} runs a free-threaded build of Python {version}, which is not supported."
            )
        if not any(name.startswith("debugger_support.") for name in found.offsets):
            raise HeapError(
                f"pid {pid} runs Python {version}; only 3.14 and 3.15 take a probe while they run: {_FIX}."
            )
        return _remote_exec(pid, version, found, memory)


def _remote_exec(pid: int, version: str, found: DebugOffsets, memory: ProcessMemory) -> RemoteExec:
    states = interpreters(found, memory)
    main = states[-1] if states else 0
    thread = word_at(main + found["interpreter_state.threads_main"], memory) if main else 0
    if not thread or word_at(main + found["interpreter_state.id"], memory):
        raise HeapError(f"pid {pid}: its Python has no main thread; it may be starting or ending: try again.")
    if _number(main + found["debugger_support.remote_debugging_enabled"], memory) != 1:
        raise HeapError(
            f"pid {pid} does not allow it: remote debugging is off in its Python {version} "
            f"(PYTHON_DISABLE_REMOTE_DEBUG, -X disable-remote-debug, or so built); {_FIX}."
        )
    breaker = thread + found["debugger_support.eval_breaker"]
    support = thread + found["debugger_support.remote_debugger_support"]
    pending = support + found["debugger_support.debugger_pending_call"]
    path = support + found["debugger_support.debugger_script_path"]
    path_bytes = found["debugger_support.debugger_script_path_size"]
    if _number(pending, memory) == 1:
        raise HeapError(f"pid {pid} has not run the file of another debugger yet; try again.")
    written = (breaker, pending, path, path + path_bytes)
    if (
        word_at(thread + found["thread_state.interp"], memory) != main
        or not all(_is_own(address, memory.maps) for address in written)
        or not _is_text(memory.read_each([path], path_bytes)[0].tobytes())
    ):
        raise HeapError(
            f"pid {pid}: the state of its main thread is not where its Python {version} has it; {_FIX}."
        )
    return RemoteExec(pid, version, breaker, pending, path, path_bytes)


def _number(address: int, memory: ProcessMemory) -> int:
    """Return the int of C at an address, 0 where nothing is."""
    return word_at(address, memory) & 0xFFFF_FFFF


def _is_text(room: bytes) -> bool:
    """Whether there is nothing but paths, of earlier files, and zeros."""
    return not any(0 < byte < 0x20 for byte in room)


def _is_own(address: int, maps: tuple[MemoryMapping, ...]) -> bool:
    """Whether an address is in memory that is writable and no other process's, too."""
    return any(
        one.start <= address < one.end and one.permissions.startswith("rw") and "p" in one.permissions
        for one in maps
    )
