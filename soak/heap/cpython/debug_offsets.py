"""``_Py_DebugOffsets``: where a CPython since 3.13 keeps what, as the process itself has it in its memory.

The table is at the beginning of ``_PyRuntime``, in writable data of the executable or of libpython, and begins with a
cookie. It is found there by this cookie, so neither symbols nor section headers are needed, nor the file itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from types import MappingProxyType
from typing import Final

import numpy as np

from soak.heap.cpython.memory import USER_SPACE_END, Memory, MemoryMapping
from soak.heap.cpython.program import candidates

COOKIE: Final = b"xdebugpy"
_HEAD_WORDS: Final = 3
"""Words before the offsets: cookie, version, free_threaded."""
_READ_BYTES: Final = 1 << 20
_MOST_DATA_BYTES: Final = 64 << 20
"""Most writable data of a process that is looked through, bytes: that of CPython is below 2 MiB."""
_MOST_COOKIES: Final = 64
"""Most places with the cookie that are looked at: CPython has one."""
_MOST_OFFSET: Final = 1 << 20
"""Bound of a plausible offset or size, bytes: the largest, that of an interpreter's state, is 226 kB in 3.15."""

_GROUPS: Final = """
runtime_state: size finalizing interpreters_head
interpreter_state: size id next threads_head threads_main+14 gc imports_modules sysdict builtins ceval_gil
  gil_runtime_state gil_enabled gil_locked gil_holder code_object_generation+14 tlbc_generation+14
thread_state: size prev next interp current_frame base_frame+15 last_profiled_frame+15 last_profiled_frame_seq+15
  thread_id native_thread_id datastack_chunk status holds_gil+15 gil_requested+15 current_exception+15 exc_state+15
err_stackitem: exc_value+15
interpreter_frame: size previous executable instr_ptr localsplus owner stackpointer+14 tlbc_index+14
code_object: size filename name qualname linetable firstlineno argcount localsplusnames localspluskinds
  co_code_adaptive co_tlbc+14
pyobject: size ob_type
type_object: size tp_name tp_repr tp_flags tp_basicsize+15 tp_dictoffset+15
heap_type_object: size+15 ht_cached_keys+15
tuple_object: size ob_item ob_size
list_object: size ob_item ob_size
set_object: size+14 used+14 table+14 mask+14
dict_object: size ma_keys ma_values
float_object: size ob_fval
long_object: size lv_tag ob_digit
bytes_object: size ob_size ob_sval
unicode_object: size state length asciiobject_size compactunicodeobject_size+15
gc: size collecting frame+15 generation_stats_size+15 generation_stats+15
gen_object: size+14 gi_name+14 gi_iframe+14 gi_frame_state+14
llist_node: next+14 prev+14
debugger_support: eval_breaker+14 remote_debugger_support+14 remote_debugging_enabled+14 debugger_pending_call+14
  debugger_script_path+14 debugger_script_path_size+14
"""
"""The fields in their order, a 64-bit word each; ``+14``: since 3.14 (Include/internal/pycore_debug_offsets.h)."""


def _names(minor: int) -> tuple[str, ...]:
    names = []
    group = ""
    for word in _GROUPS.split():
        if word.endswith(":"):
            group = word[:-1]
            continue
        field, _, since = word.partition("+")
        if minor >= int(since or 13):
            names.append(f"{group}.{field}")
    return tuple(names)


NAMES: Final[Mapping[tuple[int, int], tuple[str, ...]]] = {
    (3, minor): _names(minor) for minor in (13, 14, 15)
}
"""Names of the offsets by version, in their order: ``interpreter_state.threads_main``."""


@dataclass(frozen=True, slots=True)
class DebugOffsets:
    """What a process has of itself in ``_Py_DebugOffsets``."""

    path: str
    """Path of the file that holds CPython, in the process's mount namespace."""
    runtime: int
    """Address of ``_PyRuntime`` in the process."""
    version_hex: int
    """PY_VERSION_HEX."""
    free_threaded: bool
    offsets: Mapping[str, int]
    """Offsets and sizes in bytes by GROUP.FIELD, as in NAMES; empty for free-threaded builds and other versions."""

    @property
    def version(self) -> tuple[int, int, int]:
        """Major, minor and micro version."""
        return (self.version_hex >> 24 & 0xFF, self.version_hex >> 16 & 0xFF, self.version_hex >> 8 & 0xFF)

    def __getitem__(self, name: str) -> int:
        """Return an offset or size, bytes; raises KeyError for one that this version does not have."""
        return self.offsets[name]


def find_debug_offsets(pid: int, maps: Sequence[MemoryMapping], memory: Memory) -> DebugOffsets | None:
    """Return the offsets of the CPython of a process; None when it has none, or one before 3.13.

    Raises HeapError when the process is gone.
    """
    for path, address in islice(_cookies(candidates(pid, maps), maps, memory), _MOST_COOKIES):
        found = _read(path, address, memory)
        if found is not None:
            return found
    return None


def interpreters(found: DebugOffsets, memory: Memory) -> tuple[int, ...]:
    """Return the addresses of the states of interpreters, the newest first, the main one last; raises HeapError."""
    addresses: list[int] = []
    address = word_at(found.runtime + found["runtime_state.interpreters_head"], memory)
    while address and address not in addresses and len(addresses) < 1 << 10:
        addresses.append(address)
        address = word_at(address + found["interpreter_state.next"], memory)
    return tuple(addresses)


def word_at(address: int, memory: Memory) -> int:
    """Return the word at an address, 0 where nothing is; raises HeapError when the process is gone."""
    if not 0 < address < USER_SPACE_END:
        return 0
    return int.from_bytes(memory.read_each([address], 8)[0], "little")


def _cookies(
    paths: Sequence[str], maps: Sequence[MemoryMapping], memory: Memory
) -> Iterator[tuple[str, int]]:
    """Yield the words that are the cookie in writable data of files; pages that were never touched are left out."""
    wanted = np.frombuffer(COOKIE, np.uint64)[0]
    buffer = np.zeros(_READ_BYTES, np.uint8)
    left_bytes = _MOST_DATA_BYTES
    of_files = [
        one for path in paths for one in maps if one.path == path and one.permissions.startswith("rw")
    ]
    for mapping in of_files:
        for start, end in memory.resident(mapping.start, min(mapping.end, mapping.start + left_bytes)):
            for first in range(start, end, _READ_BYTES):
                part = buffer[: min(_READ_BYTES, end - first)]
                words = part[: memory.read_into(first, part) & ~7].view(np.uint64)
                for place in np.flatnonzero(words == wanted).tolist():
                    yield mapping.path, first + 8 * place
        left_bytes -= min(left_bytes, mapping.end - mapping.start)


def _read(path: str, address: int, memory: Memory) -> DebugOffsets | None:
    """Return the table at an address; None when what follows the cookie is none."""
    head = memory.read_each([address], 8 * _HEAD_WORDS).view(np.uint64)[0].tolist()
    version_hex, free_threaded = head[1:]
    version = (version_hex >> 24, version_hex >> 16 & 0xFF)
    if version[0] != 3 or version < (3, 13) or free_threaded > 1:
        return None
    names = () if free_threaded else NAMES.get(version, ())
    words: list[int] = []
    if names:
        words = memory.read_each([address + 8 * _HEAD_WORDS], 8 * len(names)).view(np.uint64)[0].tolist()
        if not any(words) or max(words) >= _MOST_OFFSET:
            return None
    return DebugOffsets(
        path,
        address,
        version_hex,
        bool(free_threaded),
        MappingProxyType(dict(zip(names, words, strict=True))),
    )
