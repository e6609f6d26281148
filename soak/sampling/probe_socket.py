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

from soak.below_root import look, root_of, walk
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
            missing: FileNotFoundError | None = None
            for directory in self._directories(stack, inside):
                try:
                    found = look(stack, f"{inside.pid}.sock", directory)
                except FileNotFoundError as error:
                    missing = error
                    continue
                if not stat.S_ISSOCK(os.fstat(found).st_mode):
                    raise ValueError(f"{self.directory}: {inside.pid}.sock is not a socket")
                self._check_owner(found, inside, "its socket")
                yield found
                return
            raise missing or FileNotFoundError(f"{self.directory} has nothing of this user")

    def _directories(self, stack: ExitStack, inside: Inside) -> Iterator[int]:
        """Yield the directories that may have the socket: where everybody may make one, that of the process's user.

        And that of root, in which a process that has given up root since its start has it.
        """
        found = self._walk(stack)
        mode = os.fstat(found).st_mode
        if mode & (stat.S_ISVTX | stat.S_IWOTH) != stat.S_ISVTX | stat.S_IWOTH:
            yield self._private(found, inside)
            return
        for uid in dict.fromkeys((inside.uid_inside(inside.euid), 0)):
            with suppress(FileNotFoundError):
                own = look(stack, str(uid), found)
                if os.fstat(own).st_uid != inside.uid_outside(uid or 0):
                    raise PermissionError(f"{self.directory}/{uid} belongs to another user")
                yield self._private(own, inside)

    def _private(self, found: int, inside: Inside) -> int:
        """Return the directory; raises PermissionError for one that others can enter."""
        if os.fstat(found).st_mode & 0o077:
            raise PermissionError(f"{self.directory} is open to other users")
        self._check_owner(found, inside, str(self.directory))
        return found

    def _check_owner(self, found: int, inside: Inside, what: str) -> None:
        uid = os.fstat(found).st_uid
        if uid not in (os.geteuid(), inside.euid, inside.uid_outside(0)):
            raise PermissionError(f"{what} belongs to user {uid}")

    def _walk(self, stack: ExitStack) -> int:
        """Return the directory as the process has it.

        Where we may not look at its root, ours is taken: a target of ours may have changed its user.
        """
        try:
            return walk(stack, root_of(stack, self.pid), self._path())
        except PermissionError as denied:
            try:
                return walk(stack, look(stack, "/", None), str(self.directory))
            except OSError:
                raise denied from None

    def _path(self) -> str:
        if self.directory.is_absolute():
            return str(self.directory)
        return os.path.join(os.readlink(PROC / str(self.pid) / "cwd"), self.directory)  # noqa: PTH115, PTH118
