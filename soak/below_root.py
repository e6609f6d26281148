"""Paths in the mount namespace of another process, which may change them meanwhile: no link leads out of its root."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from typing import Final

MOST_NAMES: Final = 100
"""Names on the way to a directory at most, links and what they lead to included: each is a descriptor of ours."""
_LOOK: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


def root_of(stack: ExitStack, pid: int) -> int:
    """Return the root of a process; raises OSError, also where it is not ours to look at."""
    return look(stack, f"/proc/{pid}/root/", None)  # the slash follows it


def look(stack: ExitStack, name: str, directory: int | None) -> int:
    """Return what has this name in a directory, opened without being read or followed, until the stack ends."""
    found = os.open(name, _LOOK, dir_fd=directory)
    stack.callback(os.close, found)
    return found


def walk(stack: ExitStack, root: int, path: str) -> int:
    """Return what is at ``path`` below ``root``, which no link and no ``..`` leaves; raises OSError."""
    way, left, opened = [root], _names(path), 0
    while left:
        name = left.pop()
        if name == "..":
            del way[max(1, len(way) - 1) :]
            continue
        opened += 1
        if opened + len(left) > MOST_NAMES:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        found = look(stack, name, way[-1])
        if stat.S_ISLNK(os.fstat(found).st_mode):
            target = os.readlink("", dir_fd=found)
            left += _names(target)
            way = [root] if target.startswith("/") else way
        else:
            way.append(found)
    return way[-1]


def _names(path: str) -> list[str]:
    """Return the names of a path, the last one first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]
