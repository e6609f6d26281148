"""Which files of this machine an image holds, and where; pure but for the directories that are listed.

The interpreter and its shared libraries keep their paths, so that nothing in them has to be changed. Packages move to
a virtual environment of their own, ``/opt/venv``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

VENV: Final = PurePosixPath("/opt/venv")
APP: Final = PurePosixPath("/app")
"""Working directory of an image, with the packages of the application."""
LEFT_OUT: Final = frozenset(
    (
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "lib2to3",
        "site-packages",
        "dist-packages",
    )
)
"""Directories of the standard library that no service needs, and those of packages."""
MODULES_LEFT_OUT: Final = ("_tkinter.", "_test", "_ctypes_test.", "_xx", "xx")
"""How the names of extension modules begin that only these directories use."""
LIBRARY: Final = re.compile(r"^\t(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
"""A line in which glibc's loader names a library: its path, or its name and the path that it was found at."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What a Python reports of itself: absolute paths, links resolved."""

    executable: str
    """Of the base installation, not of a virtual environment."""
    version: str
    """Major and minor, such as ``3.12``."""
    standard_library: tuple[str, ...]
    site_packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class File:
    """A file of this machine and its path in the image."""

    source: Path
    path: PurePosixPath


def standard_library(interpreter: Interpreter) -> Iterator[File]:
    """Yield the files of the standard library, without its tests and build files."""
    for root in map(Path, interpreter.standard_library):
        for source in _files_below(root):
            parts = source.relative_to(root).parts
            if parts[0] in LEFT_OUT or parts[0].startswith("config-"):
                continue
            if not (parts[0] == "lib-dynload" and source.name.startswith(MODULES_LEFT_OUT)):
                yield File(source, PurePosixPath(source))


def with_requirements(names: Iterable[str], site_packages: Iterable[str]) -> list[Distribution]:
    """Return the installed distributions of these requirements and of all that they require, each once.

    Raises LookupError naming a distribution that is not installed.
    """
    path = list(site_packages)
    found: dict[str, Distribution] = {}
    wanted, seen = [(Requirement(name)) for name in names], set[str]()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        distribution = found.get(name) or next(iter(Distribution.discover(name=name, path=path)), None)
        if distribution is None:
            raise LookupError(f"{name} is not installed in {' or '.join(path)}")
        found[name] = distribution
        for extra in ("", *requirement.extras):
            if f"{name}[{extra}]" in seen:
                continue
            seen.add(f"{name}[{extra}]")
            needed = map(Requirement, distribution.requires or ())
            wanted += [each for each in needed if not each.marker or each.marker.evaluate({"extra": extra})]
    return [found[name] for name in sorted(found)]


def packages(distributions: Iterable[Distribution], version: str) -> Iterator[File]:
    """Yield the files that pip recorded for these distributions; scripts, which name another Python, are left out."""
    place = VENV / "lib" / f"python{version}" / "site-packages"
    for distribution in distributions:
        for file in distribution.files or ():
            if ".." not in file.parts and (source := Path(str(distribution.locate_file(file)))).is_file():
                yield File(source, place / file)


def application(directories: Iterable[Path]) -> Iterator[File]:
    """Yield the files of an application: each directory below ``/app`` by its own name."""
    for directory in directories:
        for source in _files_below(directory):
            yield File(source, APP / directory.name / source.relative_to(directory))


def extension_modules(files: Iterable[File]) -> list[str]:
    """Return the sources of those files that may need shared libraries, by their names."""
    return [str(file.source) for file in files if ".so" in file.source.suffixes]


def libraries(trace: str, known: frozenset[Path]) -> Iterator[File]:
    """Yield the shared libraries, the loader among them, that its trace names; those of ``known`` are left out."""
    for path in sorted(set(LIBRARY.findall(trace))):
        if Path(path).resolve() not in known:
            yield File(Path(path), PurePosixPath(path))


def _files_below(root: Path) -> Iterator[Path]:
    """Yield regular files, links to them included; compiled ones only as an ordinary start reads them."""
    for source in sorted(root.rglob("*")):
        if source.is_file() and ".opt-" not in source.name:
            yield source
