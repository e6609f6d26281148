"""Memory limits by cgroups, version 1 and 2: how a life's limit is made and removed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import psutil

from soak.errors import HarnessError
from soak.limit.base import Counters, Usage
from soak.limit.cgroup import V1, V2, Cgroup, Files
from soak.limit.membership import PROC_CGROUP, PROC_MOUNTINFO, NotUsableError, own_cgroup, read_paths
from soak.process.guard import Guard, remove_cgroup

REMOVE_S = 1.0
"""Time to remove the cgroup of a life, seconds; else the guard goes on with it at the end of the run."""


class CgroupLife:
    """One life's cgroup."""

    def __init__(self, cgroup: Cgroup, limit_bytes: int, guard: Guard) -> None:
        self._cgroup = cgroup
        self._guard = guard
        path, files = cgroup.path, cgroup.files
        try:
            path.mkdir()
            guard.add_cgroup(path)
            cgroup.limit_file.write_text(str(limit_bytes))
            if (path / files.swap).exists():
                (path / files.swap).write_text(files.swap_value or str(limit_bytes))
            elif (path / "memory.swappiness").exists():
                (path / "memory.swappiness").write_text("0")
        except OSError as error:
            raise HarnessError(f"{path}: the memory limit could not be set ({error}).") from error
        self.procs: Path | None = path / "cgroup.procs"

    def watch(self, pid: int) -> None:
        """The kernel watches."""

    def usage(self) -> Usage:
        """Return the bytes charged now, and what of them is shared memory, kernel memory and file cache."""
        return self._cgroup.usage()

    def counters(self) -> Counters:
        """Read peak and kills; a file the kernel lacks gives None."""
        return self._cgroup.counters()

    def close(self) -> None:
        """Kill what is left inside and remove the cgroup."""
        if self.procs is not None and remove_cgroup(self._cgroup.path, REMOVE_S):
            self._guard.drop_cgroup(self._cgroup.path)
            self.procs = None


class CgroupMechanism:
    """Makes a child cgroup per life below a parent of ours."""

    def __init__(
        self, parent: Path, files: Files, guard: Guard, *, name: str, prefix: str, leaf: Path | None = None
    ) -> None:
        self._parent = parent
        self._prefix = prefix
        self._files = files
        self._guard = guard
        self._leaf = leaf
        self.name = name

    def life(self, name: str, limit_bytes: int) -> CgroupLife:
        """Make ``<parent>/<prefix>-<name>`` with the limit and no swap."""
        path = self._parent / f"{self._prefix}-{name}"
        return CgroupLife(Cgroup(path, self._files), limit_bytes, self._guard)

    def close(self) -> None:
        """Leave the leaf that version 2 made us enter, and remove it."""
        if self._leaf is not None and _reunite(self._parent, self._leaf):
            self._guard.drop_leaf(self._leaf)
        self._leaf = None


def find_v1(guard: Guard, prefix: str) -> CgroupMechanism:
    """Use version 1 below our own path; ``prefix`` begins the name of each cgroup. Raises NotUsableError."""
    parent = own_cgroup(read_paths(PROC_CGROUP), read_paths(PROC_MOUNTINFO), V1.version)
    _try_out(Cgroup(parent / f"{prefix}-try", V1))
    return CgroupMechanism(parent, V1, guard, name="cgroup v1", prefix=prefix)


def find_v2(guard: Guard, prefix: str, *, in_scope: bool) -> CgroupMechanism:
    """Use version 2 below our own cgroup if its subtree is ours; ``prefix`` and errors as in ``find_v1``."""
    own = own_cgroup(read_paths(PROC_CGROUP), read_paths(PROC_MOUNTINFO), V2.version)
    leaf = _enable_memory(own, prefix)
    try:
        _try_out(Cgroup(own / f"{prefix}-try", V2))
    except NotUsableError:
        _reunite(own, leaf)
        raise
    if leaf is not None:
        guard.add_leaf(leaf)
    name = "cgroup v2 in a systemd scope" if in_scope else "cgroup v2"
    return CgroupMechanism(own, V2, guard, name=name, prefix=prefix, leaf=leaf)


def v2_obstacle(own: Path) -> str | None:
    """Say why the subtree of our cgroup v2 cannot be divided, None when it can; changes nothing."""
    try:
        if "memory" not in (own / "cgroup.controllers").read_text().split():
            return "memory is not among the controllers of our cgroup"
        for name in ("cgroup.procs", "cgroup.subtree_control"):
            if not os.access(own / name, os.W_OK):
                return f"{own / name} is not ours to write"
        if _must_leave(own) and (strangers := _members(own) - _our_pids()):
            return f"our cgroup also holds other processes (pid {min(strangers)})"
    except OSError as error:
        return f"{own} cannot be read ({error.strerror})"
    return None


def _enable_memory(own: Path, prefix: str) -> Path | None:
    """Give the children of ``own`` the memory controller; return the leaf we had to move into, if any."""
    if obstacle := v2_obstacle(own):
        raise NotUsableError(obstacle)
    if "memory" in (own / "cgroup.subtree_control").read_text().split():
        return None
    leaf = own / f"{prefix}-supervisor" if _must_leave(own) else None
    try:
        if leaf is not None:
            leaf.mkdir()
            _move_all(own, leaf)
        (own / "cgroup.subtree_control").write_text("+memory")
    except OSError as error:
        _reunite(own, leaf)
        raise NotUsableError(f"{own} cannot be divided ({error.strerror})") from error
    return leaf


def _reunite(own: Path, leaf: Path | None) -> bool:
    """Undo ``_enable_memory``; False where that is not possible, and the scope or container around us removes it."""
    if leaf is None:
        return True
    with contextlib.suppress(OSError):
        (own / "cgroup.subtree_control").write_text("-memory")
    try:
        _move_all(leaf, own)
        leaf.rmdir()
    except OSError:
        return False
    return True


def _must_leave(own: Path) -> bool:
    """Version 2 lets a cgroup other than the root hold either processes or controlled children, not both."""
    divided = "memory" in (own / "cgroup.subtree_control").read_text().split()
    return not divided and (own / "cgroup.type").exists()  # the root has no type


def _members(cgroup: Path) -> set[int]:
    return {int(pid) for pid in (cgroup / "cgroup.procs").read_text().split()}


def _our_pids() -> set[int]:
    return {os.getpid(), *(child.pid for child in psutil.Process().children(recursive=True))}


def _move_all(source: Path, destination: Path) -> None:
    for pid in _members(source):
        (destination / "cgroup.procs").write_text(str(pid))


def _try_out(cgroup: Cgroup) -> None:
    """Make and remove a limited cgroup, to know now rather than in the middle of a run."""
    try:
        cgroup.path.mkdir()
        try:
            cgroup.limit_file.write_text(str(64 << 20))
        finally:
            cgroup.path.rmdir()
    except OSError as error:
        raise NotUsableError(f"no limit can be set below {cgroup.path.parent} ({error.strerror})") from error
