"""A process as it is seen in its own namespaces: its pid and user ids there, and a step taken with a user id of it."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Final, TypeVar

from soak.process.procfs import PROC

SET_IDS: Final = {"x86_64": (119, 117), "aarch64": (149, 147), "riscv64": (149, 147)}
"""Numbers of the system calls setresgid and setresuid by machine: the C library's functions change every thread."""
_IDS = re.compile(r"^(NSpid|Uid|Gid):\s*(.+)$", re.MULTILINE)

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Inside:
    """One process, in its own namespaces and in ours."""

    pid: int
    """Its process id in its own pid namespace."""
    euid: int
    """Its effective user id as we see it."""
    egid: int
    """Its effective group id as we see it."""
    uid_map: tuple[tuple[int, int, int], ...] | None
    """The ranges of its user namespace: first id inside, first id as we see it, length; None: it is also ours."""

    def uid_inside(self, uid: int) -> int | None:
        """Return a user id of ours as it is in there; None where it is not mapped."""
        return (
            uid
            if self.uid_map is None
            else _mapped(uid, ((ours, inner, n) for inner, ours, n in self.uid_map))
        )

    def uid_outside(self, uid: int) -> int | None:
        """Return a user id of there as we see it; None where it is not mapped."""
        return uid if self.uid_map is None else _mapped(uid, self.uid_map)


def look_inside(pid: int) -> Inside:
    """Read the namespaces of a process from /proc; raises OSError when it is gone, ValueError for what is no number."""
    directory = PROC / str(pid)
    ids = {
        key: value.split() for key, value in _IDS.findall((directory / "status").read_text(errors="replace"))
    }
    if not {"Uid", "Gid"} <= ids.keys():
        raise ValueError(f"{directory}/status has no user id")
    inner = ids.get("NSpid", [str(pid)])[-1]  # a kernel without pid namespaces has no such line
    uid_map = None if _shares_user_namespace(pid) else _uid_map(pid)
    return Inside(int(inner), int(ids["Uid"][1]), int(ids["Gid"][1]), uid_map)


def as_user(uid: int, gid: int, step: Callable[[], Result]) -> Result:
    """Take a step with these effective ids and return what it returns; raises what it raises.

    Where they are not ours, that is in a thread of its own which ends with it. Raises PermissionError where we may not
    take on the ids.
    """
    if (uid, gid) == (os.geteuid(), os.getegid()):
        return step()
    taken: Future[Result] = Future()

    def run() -> None:
        try:
            _set_effective_ids(uid, gid)
            taken.set_result(step())
        except BaseException as error:  # noqa: BLE001 - it is raised in the thread that waits
            taken.set_exception(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return taken.result()


def _set_effective_ids(uid: int, gid: int) -> None:
    """Change the effective ids of this thread alone: the group first, which needs the rights of the user."""
    keep, call = ctypes.c_long(-1), ctypes.CDLL(None, use_errno=True).syscall
    for number, wanted in zip(SET_IDS.get(platform.machine(), (-1, -1)), (gid, uid), strict=True):
        if call(ctypes.c_long(number), keep, ctypes.c_long(wanted), keep):
            reason = os.strerror(ctypes.get_errno())
            raise PermissionError(
                f"cannot act as user {uid} ({reason}); it needs the capabilities SETUID and SETGID"
            )


def _shares_user_namespace(pid: int) -> bool:
    """Whether its user namespace is ours; true where that cannot be read."""
    try:
        return (PROC / str(pid) / "ns/user").stat().st_ino == (PROC / "self/ns/user").stat().st_ino
    except OSError:
        return True


def _uid_map(pid: int) -> tuple[tuple[int, int, int], ...]:
    lines = (PROC / str(pid) / "uid_map").read_text().splitlines()
    return tuple((int(inner), int(ours), int(n)) for inner, ours, n in map(str.split, lines))


def _mapped(uid: int, ranges: Iterable[tuple[int, int, int]]) -> int | None:
    return next((to + uid - first for first, to, n in ranges if first <= uid < first + n), None)
