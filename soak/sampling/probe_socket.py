"""Where a process has the socket of its probe: in its own mount namespace, under its own pid and user id.

What lies there is the target's to choose. Each name is opened without following links, and links are resolved here,
under the target's own root; only a socket of the target's user in a directory that no other user can write to is
connected to, and by its open descriptor.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from soak.process.below_root import look, root_of, walk
from soak.process.deadline import DeadlineSocket
from soak.process.namespaces import Inside, as_user, look_inside
from soak.process.procfs import PROC


@dataclass(frozen=True, slots=True)
class ProbeSocket:
    """The socket of one process's probe."""

    directory: Path
    """What the process has as SOAK_PROBE_DIR: a path in its own mount namespace."""
    pid: int
    """Its process id as we see it."""

    def check(self) -> None:
        """Raise OSError or ValueError with the reason why there is no socket that may be connected to."""
        with self._opened(look_inside(self.pid)):
            pass

    def connect(self, connection: DeadlineSocket) -> None:
        """Connect; raises as ``check`` does, and BlockingIOError when the socket's queue is full.

        Root of ours is nobody in a user namespace and is refused there: it connects as the user of the socket.
        """
        inside = look_inside(self.pid)
        with self._opened(inside) as found:
            address = f"/proc/self/fd/{found}"  # of any length, and no name that could be exchanged meanwhile
            if inside.uid_map is not None and os.geteuid() == 0:
                as_user(os.fstat(found).st_uid, inside.egid, lambda: connection.connect(address))
            else:
                connection.connect(address)

    @contextmanager
    def _opened(self, inside: Inside) -> Iterator[int]:
        with ExitStack() as stack:
            directory = self._directory(stack, inside)
            found = look(stack, f"{inside.pid}.sock", directory)
            if not stat.S_ISSOCK(os.fstat(found).st_mode):
                raise ValueError(f"{self.directory}: {inside.pid}.sock is not a socket")
            self._check_owner(found, inside, "its socket")
            yield found

    def _directory(self, stack: ExitStack, inside: Inside) -> int:
        """Return the directory of the sockets: where everybody may make one, that of the process's user in it.

        A process that has given up root since its start has its socket in root's.
        """
        found = walk(stack, self._root(stack), self._path())
        mode = os.fstat(found).st_mode
        if mode & (stat.S_ISVTX | stat.S_IWOTH) == stat.S_ISVTX | stat.S_IWOTH:
            for uid in (inside.uid_inside(inside.euid), 0):
                with suppress(FileNotFoundError):
                    own = look(stack, str(uid), found)
                    if os.fstat(own).st_uid != inside.uid_outside(uid or 0):
                        raise PermissionError(f"{self.directory}/{uid} belongs to another user")
                    found = own
                    break
            else:
                raise FileNotFoundError(f"{self.directory} has nothing of this user")
        if os.fstat(found).st_mode & 0o077:
            raise PermissionError(f"{self.directory} is open to other users")
        self._check_owner(found, inside, str(self.directory))
        return found

    def _check_owner(self, found: int, inside: Inside, what: str) -> None:
        uid = os.fstat(found).st_uid
        if uid not in (os.geteuid(), inside.euid, inside.uid_outside(0)):
            raise PermissionError(f"{what} belongs to user {uid}")

    def _root(self, stack: ExitStack) -> int:
        """Return the root of the process; ours where we may not look at it: a target of ours that changed its user."""
        try:
            return root_of(stack, self.pid)
        except PermissionError:
            return look(stack, "/", None)

    def _path(self) -> str:
        if self.directory.is_absolute():
            return str(self.directory)
        return os.path.join(os.readlink(PROC / str(self.pid) / "cwd"), self.directory)  # noqa: PTH115, PTH118
