"""A process as it is seen in its own namespaces: its pid and user ids there, and a step taken with a user id of it."""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Thread
from typing import Final

from soak.process.procfs import PROC

SETRESUID: Final = {"x86_64": 117, "aarch64": 147, "riscv64": 147}
"""Number of the system call setresuid by machine: the C library's function would change every thread."""
_IDS = re.compile(r"^(NSpid|Uid):\s*(.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Inside:
    """One process, in its own namespaces and in ours."""

    pid: int
    """Its process id in its own pid namespace."""
    euid: int
    """Its effective user id as we see it."""
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
    ids = {key: value.split() for key, value in _IDS.findall((directory / "status").read_text())}
    if "Uid" not in ids:
        raise ValueError(f"{directory}/status has no user id")
    inner = ids.get("NSpid", [str(pid)])[-1]  # a kernel without pid namespaces has no such line
    return Inside(int(inner), int(ids["Uid"][1]), None if _shares_user_namespace(pid) else _uid_map(pid))


def as_user(uid: int, step: Callable[[], None]) -> None:
    """Take a step with this effective user id, in a thread of its own that ends with it; raises what the step raises.

    Raises PermissionError where we may not take on that id.
    """
    failures: list[BaseException] = []

    def run() -> None:
        try:
            _set_effective_uid(uid)
            step()
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits
            failures.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def _set_effective_uid(uid: int) -> None:
    """Change the effective user id of this thread alone."""
    number = SETRESUID.get(platform.machine())
    if number is None:
        raise PermissionError(f"cannot act as user {uid} on {platform.machine()}")
    keep, call = ctypes.c_long(-1), ctypes.CDLL(None, use_errno=True).syscall
    if call(ctypes.c_long(number), keep, ctypes.c_long(uid), keep):
        raise PermissionError(
            f"cannot act as user {uid} ({os.strerror(ctypes.get_errno())}): run this as root"
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
