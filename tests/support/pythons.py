"""The Pythons of this machine that tests run, by version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from soak.heap.cpython.debug_offsets import COOKIE, NAMES

DIRECTORY_VARIABLE = "SOAKPROOF_PYTHONS"
"""Names a directory that ``.ci/pythons`` has filled: interpreters are in its ``root/usr/bin``."""


@cache
def pythons() -> dict[str, Path]:
    """Return real interpreters by version and origin, ``3.13-built``: one of each build we know where to look for.

    The origin of one that came with this machine's system is ``system``; that of one in the directory that
    DIRECTORY_VARIABLE names is ``brought``.
    """
    brought = os.environ.get(DIRECTORY_VARIABLE)
    places = [
        Path(sys.executable).resolve(),
        *Path("/usr/bin").glob("python3.*"),
        *Path("/usr/local/bin").glob("python3.*"),
        *Path("/opt").glob("*/bin/python3.*"),
        *Path.home().glob(".pyenv/versions/*/bin/python3.*"),
        *Path.home().glob(".local/share/uv/python/*/bin/python3.*"),
        *(Path(brought).glob("root/usr/bin/python3.*") if brought else ()),
        *(Path(shim) for minor in range(9, 20) if (shim := shutil.which(f"python3.{minor}"))),
    ]
    found: dict[str, Path] = {}
    for path in places:
        version = re.fullmatch(r"python(3\.\d+)", path.name)
        # a shim on PATH is a script; a link leads to one that is listed itself
        if version and path.is_file() and not path.is_symlink() and path.read_bytes()[:4] == b"\x7fELF":
            origin = "system" if path.parent == Path("/usr/bin") else "built"
            if brought and path.is_relative_to(brought):
                origin = "brought"
            found.setdefault(f"{version[1]}-{origin}", path)
    return found


@cache
def find_interpreter(version: str) -> str | None:
    """Return a Python of that version, this one if it is one; None when there is none on this machine."""
    if version == f"{sys.version_info[0]}.{sys.version_info[1]}":
        return sys.executable
    found = (pythons().get(f"{version}-{origin}") for origin in ("built", "system", "brought"))
    return next((str(python) for python in found if python), None)


@cache
def find_static_interpreter(version: str) -> Path | None:
    """Return a Python of that version, since 3.13, that is in its executable and not in a library."""
    found = (python for name, python in pythons().items() if name.startswith(f"{version}-"))
    return next((python.resolve() for python in found if COOKIE in python.read_bytes()), None)


@contextmanager
def running(python: Path, home: Path | None = None, code: str = "") -> Iterator[tuple[int, list[str]]]:
    """Start a Python that runs ``code`` and waits; yield its pid and the words that it printed in one line.

    ``home`` is the prefix of its library, for a copy that lies elsewhere.
    """
    environment = {"PYTHONHOME": str(home)} if home else {}
    with subprocess.Popen(
        [str(python), "-S", "-c", f"import sys\n{code}\nprint(flush=True)\nsys.stdin.read()"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as target:
        assert target.stdout is not None
        yield target.pid, target.stdout.readline().split()


def altered_copy(python: Path, directory: Path, changes: Mapping[str, int]) -> Path:
    """Copy an interpreter since 3.13 with other words in its debug offsets: GROUP.FIELD, or ``free_threaded``.

    With no changes its section headers are taken away.
    """
    content = bytearray(python.read_bytes())
    if changes:
        version = re.fullmatch(r"python3\.(\d+)", python.name)
        assert version is not None
        names = ["cookie", "version", "free_threaded", *NAMES[3, int(version[1])]]
        table = content.index(COOKIE)
        while int.from_bytes(content[table + 8 : table + 16], "little") >> 24 != 3:
            table = content.index(COOKIE, table + 1)
        for name, value in changes.items():
            place = table + 8 * names.index(name)
            content[place : place + 8] = value.to_bytes(8, "little")
    else:
        content[0x28:0x30] = bytes(8)  # e_shoff
        content[0x3C:0x40] = bytes(4)  # e_shnum, e_shstrndx
    copy = directory / python.name
    copy.write_bytes(content)
    copy.chmod(0o755)
    return copy
