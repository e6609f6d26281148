"""The native function that allocates, and the library that it is of, from the names of a stack's native frames."""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from soak.errors import printable
from soak.regular_files import open_regular

MOST_LIBRARY_BYTES: Final = 1 << 30
"""Size of the largest library that is searched, bytes."""
LONGEST_NAME: Final = 80
"""Longest name of a function that is shown, characters."""
UNKNOWN: Final = "<unknown>"
INTERPRETER: Final = re.compile(r"(?:lib)?python3[.\d]*(?:\.so[.\d]*)?$")
"""Names of the files that have the interpreter."""
INTERPRETER_SOURCES: Final = re.compile(r"(?:\./)?(?:Include|Modules|Objects|Parser|Programs|Python)/")
SYSTEM: Final = re.compile(r"(?:libc|libstdc\+\+|libm|libgcc_s|libpthread|ld-linux[\w-]*)[.-]")
"""Names of libraries whose functions allocate for whoever calls them."""
ALLOCATING: Final = re.compile(r"_?Py[A-Z]|operator new|std::|__gnu_cxx::|_?(?:malloc|calloc|realloc|mmap)$")
"""Names of functions that allocate for whoever calls them."""
EXTENSION: Final = re.compile(r"\.(?:cpython-|abi3\.|so\b|pypy)[^/]*$")
MEMRAY: Final = re.compile(r"/memray(?:\.libs)?/")
PACKAGES: Final = re.compile(r"/(?:site|dist)-packages/|/lib-dynload/")


class Functions:
    """Names functions of a process that has mapped these libraries, which are files of this machine."""

    def __init__(self, libraries: Iterable[str]) -> None:
        paths = [Path(one) for one in libraries if not MEMRAY.search(one)]
        self._interpreter = [path for path in paths if INTERPRETER.match(path.name)]
        self._others = [
            path for path in paths if not INTERPRETER.match(path.name) and not SYSTEM.match(path.name)
        ]
        # those that are imported first
        self._others.sort(key=lambda path: PACKAGES.search(str(path)) is None)
        self._is_interpreters = cache(lambda name: any(_has(path, name) for path in self._interpreter))
        self._library = cache(lambda name: next((path for path in self._others if _has(path, name)), None))

    def name(self, native: Sequence[tuple[str, str, int]]) -> str:
        """Return the innermost function that is neither an allocator's nor the interpreter's, with its library.

        As ``JSON_DecodeObject (ujson)``; without the library where no mapped file has the name; empty where no frame
        is known, or all are the interpreter's: then Python itself allocates.
        """
        for function, source, _line in native:
            if function == UNKNOWN or ALLOCATING.match(function) or INTERPRETER_SOURCES.match(source):
                continue
            if self._is_interpreters(function):
                continue
            library = self._library(function)
            shown = printable(_short(function))
            return shown if library is None else f"{shown} ({printable(_module(library))})"
        return ""


def _short(function: str) -> str:
    """Return a name without the types of C++."""
    name = re.sub(r"\(.*", "", re.sub(r"<[^<>]*>", "", function), flags=re.DOTALL).strip() or function
    return name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"


def _module(library: Path) -> str:
    """Return how Python imports a library, or the name of its file."""
    _, found, below = str(library).rpartition("-packages/")
    if not found:
        _, found, below = str(library).rpartition("/lib-dynload/")
    if found and "/" not in below.partition(".libs/")[1] and EXTENSION.search(below):
        return EXTENSION.sub("", below).replace("/", ".")
    return library.name


def _has(library: Path, function: str) -> bool:
    """Whether a library defines a function of that name; a name of C++ is looked for as it is mangled."""
    parts = _short(function).split("::")
    needle = parts[0] if len(parts) == 1 else "".join(f"{len(part)}{part}" for part in parts[-2:])
    try:
        with (
            open_regular(library, MOST_LIBRARY_BYTES, follow=True) as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            if content.find(needle.encode("utf-8", "surrogateescape")) < 0:
                return False
            return len(parts) > 1 or _defines(ELFFile(file), needle)
    except (OSError, ValueError, ELFError):
        return False  # it is gone, empty or no library


def _defines(elf: ELFFile, function: str) -> bool:
    """Whether a symbol is defined: those that a library imports have names there, too."""
    for section in elf.iter_sections():
        if isinstance(section, SymbolTableSection):
            found = section.get_symbol_by_name(function) or ()
            if any(symbol["st_shndx"] != "SHN_UNDEF" for symbol in found):
                return True
    return False
