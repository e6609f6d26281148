"""The Pythons of this machine that tests run, by version."""

from __future__ import annotations

import os
import re
import shutil
import sys
from functools import cache
from pathlib import Path

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
