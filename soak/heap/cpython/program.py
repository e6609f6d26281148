"""The files of a process that may hold CPython: which these are, their symbols, and where they are mapped."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.hash import GNUHashSection
from elftools.elf.sections import SymbolTableSection

from soak.heap.cpython.memory import PAGE_BYTES, MemoryMapping
from soak.heap.errors import HeapError
from soak.regular_files import open_regular

_Table = GNUHashSection | SymbolTableSection
_GARBAGE: Final = (
    ELFError, ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, MemoryError,
    struct.error,
)  # fmt: skip
"""Exceptions of pyelftools for a damaged file: the file is the target's."""
_MOST_SECTIONS: Final = 4_096
"""Most sections of a file that is looked at: a Python has up to fifty."""
_MOST_READS: Final = 1 << 19
"""Most pieces of a file that are read, for about 5 s: a table of symbols takes three for each."""
_MOST_BYTES: Final = 1 << 20
"""Largest piece of a file that is read, bytes."""


class _Bounded(io.RawIOBase):
    """A file of which only so much is read, whatever it says of itself: no machine could read all that it may state.

    What is beyond the bounds raises ValueError.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._left = _MOST_READS

    def read(self, size: int = -1) -> bytes:
        self._left -= 1
        if self._left < 0 or not 0 <= size <= _MOST_BYTES:
            raise ValueError(f"more than {_MOST_READS} pieces, or {size} bytes at once")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def candidates(pid: int, maps: Sequence[MemoryMapping]) -> list[str]:
    """Return the files that may hold CPython: the executable first, as it may have copies of a library's data."""
    libraries = [mapping.path for mapping in maps if PurePath(mapping.path).name.startswith("libpython")]
    program = executable(pid)
    return list(dict.fromkeys([*([program] if program else []), *libraries]))


def executable(pid: int) -> str | None:
    """Return the path of the program of a process, as its mappings have it; None when it is gone or not ours."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except OSError:
        return None


def _open(pid: int, path: str) -> BinaryIO:
    """Open a file the process has mapped, also in a mount namespace of its own, or when it was replaced meanwhile.

    Raises OSError, also for what is no regular file: anything may be at that path by now.
    """
    if path == executable(pid):
        return open_regular(Path(f"/proc/{pid}/exe"), follow=True)
    if path.endswith(" (deleted)"):
        raise HeapError(
            f"pid {pid}: {path} was replaced since the process started; restart it and try again."
        )
    return open_regular(Path(f"/proc/{pid}/root{path}"), follow=True)


def _elf(file: BinaryIO) -> ELFFile:
    bounded: Any = _Bounded(file)
    return ELFFile(bounded)


def symbols(pid: int, path: str, wanted: Sequence[str]) -> dict[str, int]:
    """Return the addresses, in the file, of those of the wanted symbols that it defines; raises HeapError."""
    try:
        with _open(pid, path) as file:
            return symbols_of(file, wanted)
    except OSError as error:
        raise HeapError(f"pid {pid}: its program {path} cannot be opened: {error.strerror}.") from None


def symbols_of(file: BinaryIO, wanted: Sequence[str]) -> dict[str, int]:
    """Return name and address of those of the wanted symbols an ELF file defines; none when it is no ELF file.

    They are looked for in one table after the other, until one has the first.
    """
    found: dict[str, int] = {}
    try:
        elf = _elf(file)
        if elf.num_sections() > _MOST_SECTIONS:
            return {}
        sections = list(elf.iter_sections())
        tables: list[_Table] = [section for section in sections if isinstance(section, GNUHashSection)]
        tables += [section for section in sections if isinstance(section, SymbolTableSection)]
        for table in tables:
            for name in wanted:
                if name not in found:
                    found |= _lookup(table, name)
            if wanted[0] in found:
                break
    except _GARBAGE:
        return {}
    return found


def _lookup(table: _Table, name: str) -> dict[str, int]:
    symbols: Sequence[Any]
    if isinstance(table, GNUHashSection):  # noqa: SIM108 - as an expression it loses its type
        symbols = [table.get_symbol(name)]
    else:
        symbols = table.get_symbol_by_name(name) or ()
    defined = [symbol for symbol in symbols if symbol is not None and symbol["st_shndx"] != "SHN_UNDEF"]
    return {name: int(defined[0]["st_value"])} if defined else {}


def bias(pid: int, path: str, maps: Sequence[MemoryMapping]) -> int:
    """Return what is added to an address in the file to have it in the process; 0 for a program of fixed addresses."""
    try:
        with _open(pid, path) as file:
            segments = [
                (int(segment["p_offset"]), int(segment["p_vaddr"]))
                for segment in _elf(file).iter_segments("PT_LOAD")
            ]
    except (OSError, *_GARBAGE):
        segments = []
    for offset, address in segments:
        page = offset - offset % PAGE_BYTES
        for mapping in maps:
            if mapping.path == path and mapping.offset == page:
                return mapping.start - (address - address % PAGE_BYTES)
    raise HeapError(not_as_mapped(pid, path))


def not_as_mapped(pid: int, path: str) -> str:
    """Return the message for a file whose headers do not fit the process's mappings."""
    return f"pid {pid}: {path} is not mapped as its headers say."
