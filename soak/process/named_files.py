"""The files that a command names, and their digests: whether the same command still runs the same."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from soak.regular_files import open_regular

MOST_FILES: Final = 2_000
"""Files of a command that are hashed at most."""
MOST_BYTES: Final = 256 << 20
"""Bytes of them that are hashed at most."""
_MODULE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_][\w.]*)?")


def named_files(argv: Sequence[str], cwd: Path) -> Iterator[Path]:
    """Yield the code that the words of a command name: as a path, or as a module or an app in ``cwd``.

    A module may also be one of this Python where that runs it. Of a package they are all its files of Python. What lies
    elsewhere on the path of modules is not known. Other files, which may be secret, are left out.
    """
    is_ours = bool(argv) and argv[0] == sys.executable
    executed = _executed(argv)
    for word in dict.fromkeys(argv):
        text = word.rpartition("=")[2] if word.startswith("--") else word
        if text.endswith(".py") or ("/" in text and word in executed):
            yield from filter(os.path.isfile, [cwd / text])
        elif _MODULE.fullmatch(text):
            yield from _module_files(text.partition(":")[0].partition(".")[0], cwd, is_ours=is_ours)


def _executed(argv: Sequence[str]) -> list[str]:
    """Return the words that are executed: the first, and behind a Python the first that is no option of it."""
    is_python = bool(argv) and os.path.basename(argv[0]).startswith("python")  # noqa: PTH119 - of a word
    scripts = [word for word in argv[1:] if not word.startswith("-")] if is_python else []
    return [*argv[:1], *scripts[:1]]


def _module_files(name: str, cwd: Path, *, is_ours: bool) -> list[Path]:
    place = cwd
    if is_ours and not (cwd / name).is_dir() and not (cwd / f"{name}.py").is_file():
        found = find_spec(name)  # nothing is imported
        if found is None or found.origin is None:
            return []
        place = Path(found.origin).parent
        if found.submodule_search_locations:
            place = place.parent
    return [*filter(os.path.isfile, [place / f"{name}.py"]), *sorted((place / name).rglob("*.py"))]


def digests(argv: Sequence[str], cwd: Path) -> dict[str, str] | None:
    """Return the SHA-256 of each file that a command names, by its path; relative to ``cwd`` where it is in it.

    None where they are too many or too long, or one cannot be read or has a name that is not UTF-8.
    """
    found: dict[str, str] = {}
    left = MOST_BYTES
    try:
        for path in named_files(argv, cwd):
            name = str(path.relative_to(cwd)) if path.is_relative_to(cwd) else str(path)
            if name in found:
                continue
            name.encode()  # the manifest has it
            left -= path.stat().st_size
            if left < 0 or len(found) == MOST_FILES:
                return None
            with open_regular(path, MOST_BYTES, follow=True) as file:
                found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):  # a module may have no spec, a name may not be UTF-8
        return None
    return found
