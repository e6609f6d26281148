"""Which cgroup a process is in, and where it is mounted, from the texts of /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from soak.process.procfs import PROC

PROC_CGROUP: Final = PROC / "self/cgroup"
PROC_MOUNTINFO: Final = PROC / "self/mountinfo"
DEFAULT_THREADS: Final = 32_768
"""Limit of threads where no cgroup has one: the smallest default of the kernel's pid_max."""


class NotUsableError(Exception):
    """Why a mechanism cannot be used here; one clause."""


def own_cgroup(proc_cgroup: str, mountinfo: str, version: int, controller: str = "memory") -> Path:
    """Return the directory of a cgroup from the texts of /proc/PID/cgroup and /proc/self/mountinfo.

    ``version`` 1 or 2; of version 1 the hierarchy of ``controller``. Raises NotUsableError.
    """
    path = next((p for names, p in _memberships(proc_cgroup) if _is(names, version, controller)), None)
    if path is None:
        raise NotUsableError(f"this process is in no cgroup v{version} with {controller}")
    for root, mount in _mounts(mountinfo, version, controller):
        relative = os.path.relpath(path, root)
        if not relative.startswith(".."):
            return Path(mount) / relative
    raise NotUsableError(f"no cgroup v{version} file system with our path {path} is mounted")


def read_paths(file: Path) -> str:
    """Return the text of a file of /proc that has paths, whose bytes need be no text; raises OSError."""
    return file.read_text(errors="surrogateescape")


def threads_limit(pid: int, mountinfo: Path = PROC_MOUNTINFO) -> int:
    """Return the most threads that a process's cgroup and those above it allow; DEFAULT_THREADS without a limit."""
    try:
        texts = read_paths(PROC / str(pid) / "cgroup"), read_paths(mountinfo)
    except OSError:
        return DEFAULT_THREADS
    limits = []
    for version in (2, 1):
        try:
            cgroup = own_cgroup(*texts, version, "pids")
        except NotUsableError:
            continue
        limits += [limit for path in (cgroup, *cgroup.parents) if (limit := _pids_max(path)) is not None]
    return min(limits, default=DEFAULT_THREADS)


def _pids_max(cgroup: Path) -> int | None:
    """Return the limit of one cgroup; None for ``max``, and where there is no such file."""
    try:
        return int((cgroup / "pids.max").read_text())
    except (OSError, ValueError):
        return None


def _is(controllers: str, version: int, controller: str) -> bool:
    return controllers == "" if version == 2 else controller in controllers.split(",")


def _memberships(proc_cgroup: str) -> Iterator[tuple[str, str]]:
    for line in proc_cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        yield controllers, path


def _mounts(mountinfo: str, version: int, controller: str) -> Iterator[tuple[str, str]]:
    """Yield root and mount point of the cgroup file systems of that version."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if (version == 2 and kind == "cgroup2") or (
            version == 1 and kind == "cgroup" and controller in options.split(",")
        ):
            yield root, mount
