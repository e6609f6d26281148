"""Files of ours in the mount namespace of another process, made, read and removed as its user."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import PurePosixPath
from typing import Final

from soak.below_root import look, root_of, walk
from soak.process.namespaces import as_user, look_inside

PLACES: Final = ("/tmp", "/dev/shm", "/var/tmp", "/run")  # noqa: S108 - in a private directory, by its descriptor
"""Directories that are tried: a read-only container has /dev/shm at least."""
LONGEST_READ_BYTES: Final = 4096
"""Most of a file that is read back, bytes."""


class PlacedFiles:
    """A private directory (mode 0700) with files, at ``path`` in the mount namespace of a process. ``remove`` always.

    All steps are the user's of the process, which may change what is there: what it could not do, they cannot do. It
    is held by a descriptor and found also when the process has ended.
    """

    def __init__(self, pid: int) -> None:
        """Make the directory; raises OSError or ValueError, also where nothing can be written."""
        self._stack = ExitStack()
        try:
            inside = look_inside(pid)
            self._ids = inside.euid, inside.egid
            as_user(*self._ids, lambda: None)  # where we may not, that is the reason, and no place is tried
            root = root_of(self._stack, pid)
            self._name = f"soakproof-{secrets.token_hex(8)}"
            self._place, self._directory, place = self._make(pid, root)
        except BaseException:  # Ctrl-C, too, leaves no descriptor open
            self._stack.close()
            raise
        self.path = f"{place}/{self._name}"

    def write(self, files: Mapping[str, bytes]) -> None:
        """Write files by their relative paths, directories before what is in them; raises OSError."""
        as_user(*self._ids, lambda: self._write(files))

    def read(self, name: str) -> bytes | None:
        """Return the beginning of a regular file of the directory; None where there is none."""
        with suppress(OSError):
            return as_user(*self._ids, lambda: self._read(name))
        return None

    def remove(self) -> None:
        """Remove the directory and what is in it. Idempotent."""
        with suppress(OSError):
            as_user(*self._ids, lambda: shutil.rmtree(self._name, ignore_errors=True, dir_fd=self._place))
        self._stack.close()

    def _make(self, pid: int, root: int) -> tuple[int, int, str]:
        """Return a place, the directory made in it, and the path of the place."""
        for path in PLACES:
            with suppress(OSError):
                place = walk(self._stack, root, path)
                as_user(*self._ids, lambda place=place: os.mkdir(self._name, 0o700, dir_fd=place))  # type: ignore[misc]
                return place, look(self._stack, self._name, place), path
        raise PermissionError(f"pid {pid}: its user can write to none of {', '.join(PLACES)}")

    def _write(self, files: Mapping[str, bytes]) -> None:
        for path, data in files.items():
            parent = PurePosixPath(path).parent
            for directory in (*reversed(parent.parents), parent):
                with suppress(FileExistsError):
                    os.mkdir(str(directory), 0o700, dir_fd=self._directory)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            with open(os.open(path, flags, 0o600, dir_fd=self._directory), "wb") as file:  # noqa: PTH123
                file.write(data)

    def _read(self, name: str) -> bytes | None:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        found = os.open(name, flags, dir_fd=self._directory)
        try:
            regular = stat.S_ISREG(os.fstat(found).st_mode)
            return os.read(found, LONGEST_READ_BYTES) if regular else None
        finally:
            os.close(found)
