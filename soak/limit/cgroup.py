"""Memory limits by cgroups, version 1 and 2: where ours are, how a life's limit is made, read and removed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from soak.errors import HarnessError
from soak.limit.base import Counters
from soak.process.guard import Guard, remove_cgroup

PROC_CGROUP = Path("/proc/self/cgroup")
PROC_MOUNTINFO = Path("/proc/self/mountinfo")


class NotUsableError(Exception):
    """Why a mechanism cannot be used here; one clause."""


@dataclass(frozen=True, slots=True)
class Files:
    """The names by which a cgroup version calls the same things."""

    version: int
    limit: str
    swap: str
    swap_value: str | None
    """Limit of swap; None: the same bytes as that of memory (version 1 counts memory and swap together)."""
    usage: str
    peak: str
    events: str
    """Name of the file of ``key value`` lines that holds ``oom_kill``."""


V1 = Files(
    version=1,
    limit="memory.limit_in_bytes",
    swap="memory.memsw.limit_in_bytes",
    swap_value=None,
    usage="memory.usage_in_bytes",
    peak="memory.max_usage_in_bytes",
    events="memory.oom_control",
)
V2 = Files(
    version=2,
    limit="memory.max",
    swap="memory.swap.max",
    swap_value="0",
    usage="memory.current",
    peak="memory.peak",
    events="memory.events",
)


class CgroupLife:
    """One life's cgroup."""

    def __init__(self, path: Path, files: Files, limit_bytes: int, guard: Guard) -> None:
        self._path = path
        self._files = files
        self._guard = guard
        try:
            path.mkdir()
            guard.add_cgroup(path)
            (path / files.limit).write_text(str(limit_bytes))
            if (path / files.swap).exists():
                (path / files.swap).write_text(files.swap_value or str(limit_bytes))
            elif (path / "memory.swappiness").exists():
                (path / "memory.swappiness").write_text("0")
        except OSError as error:
            raise HarnessError(f"{path}: the memory limit could not be set ({error}).") from error
        self.procs: Path | None = path / "cgroup.procs"

    def watch(self, pid: int) -> None:
        """The kernel watches."""

    def usage_bytes(self) -> int | None:
        """Return the bytes charged now."""
        return _read_int(self._path / self._files.usage)

    def counters(self) -> Counters:
        """Read peak and kills; a file the kernel lacks gives None."""
        return Counters(
            peak_bytes=_read_int(self._path / self._files.peak),
            oom_kills=_read_keyed(self._path / self._files.events, "oom_kill"),
            oomd_kills=_read_oomd(self._path),
        )

    def close(self) -> None:
        """Kill what is left inside and remove the cgroup."""
        if self.procs is not None and remove_cgroup(self._path):
            self._guard.drop_cgroup(self._path)
            self.procs = None


class CgroupMechanism:
    """Makes a child cgroup per life below a parent of ours."""

    def __init__(
        self, parent: Path, files: Files, guard: Guard, *, name: str, leaf: Path | None = None
    ) -> None:
        self._parent = parent
        self._files = files
        self._guard = guard
        self._leaf = leaf
        self.name = name

    def life(self, name: str, limit_bytes: int) -> CgroupLife:
        """Make ``<parent>/<name>`` with the limit and no swap."""
        return CgroupLife(self._parent / name, self._files, limit_bytes, self._guard)

    def close(self) -> None:
        """Leave the leaf that version 2 made us enter, and remove it."""
        _reunite(self._parent, self._leaf)
        self._leaf = None


def find_v1(guard: Guard, run_id: str) -> CgroupMechanism:
    """Use version 1 below our own path; raises NotUsableError."""
    parent = own_cgroup(PROC_CGROUP.read_text(), PROC_MOUNTINFO.read_text(), V1)
    _try_out(parent / f"soakproof-{run_id}-try", V1)
    return CgroupMechanism(parent, V1, guard, name="cgroup v1")


def find_v2(guard: Guard, run_id: str, *, in_scope: bool) -> CgroupMechanism:
    """Use version 2 below our own cgroup if its subtree is ours; raises NotUsableError."""
    own = own_cgroup(PROC_CGROUP.read_text(), PROC_MOUNTINFO.read_text(), V2)
    leaf = _enable_memory(own, run_id)
    try:
        _try_out(own / f"soakproof-{run_id}-try", V2)
    except NotUsableError:
        _reunite(own, leaf)
        raise
    name = "cgroup v2 in a systemd scope" if in_scope else "cgroup v2"
    return CgroupMechanism(own, V2, guard, name=name, leaf=leaf)


def own_cgroup(proc_cgroup: str, mountinfo: str, files: Files) -> Path:
    """Return our own cgroup's directory from the texts of /proc/self/cgroup and mountinfo; raises NotUsableError."""
    path = next((p for controllers, p in _memberships(proc_cgroup) if _is(controllers, files)), None)
    if path is None:
        raise NotUsableError(f"this process is in no cgroup v{files.version} with memory")
    for root, mount in _mounts(mountinfo, files):
        relative = os.path.relpath(path, root)
        if not relative.startswith(".."):
            return Path(mount) / relative
    raise NotUsableError(f"no cgroup v{files.version} file system with our path {path} is mounted")


def _is(controllers: str, files: Files) -> bool:
    return controllers == "" if files.version == 2 else "memory" in controllers.split(",")


def _memberships(proc_cgroup: str) -> Iterator[tuple[str, str]]:
    for line in proc_cgroup.splitlines():
        _, controllers, path = line.split(":", 2)
        yield controllers, path


def _mounts(mountinfo: str, files: Files) -> Iterator[tuple[str, str]]:
    """Yield root and mount point of the cgroup file systems of that version."""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split(" ", 2)
        if (files.version == 2 and kind == "cgroup2") or (
            files.version == 1 and kind == "cgroup" and "memory" in options.split(",")
        ):
            yield root, mount


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


def _enable_memory(own: Path, run_id: str) -> Path | None:
    """Give the children of ``own`` the memory controller; return the leaf we had to move into, if any."""
    if obstacle := v2_obstacle(own):
        raise NotUsableError(obstacle)
    if "memory" in (own / "cgroup.subtree_control").read_text().split():
        return None
    leaf = own / f"soakproof-{run_id}-supervisor" if _must_leave(own) else None
    try:
        if leaf is not None:
            leaf.mkdir()
            _move_all(own, leaf)
        (own / "cgroup.subtree_control").write_text("+memory")
    except OSError as error:
        _reunite(own, leaf)
        raise NotUsableError(f"{own} cannot be divided ({error.strerror})") from error
    return leaf


def _reunite(own: Path, leaf: Path | None) -> None:
    """Undo ``_enable_memory`` as far as it goes; the scope or container around us removes the rest."""
    if leaf is None:
        return
    with contextlib.suppress(OSError):
        (own / "cgroup.subtree_control").write_text("-memory")
    with contextlib.suppress(OSError):
        _move_all(leaf, own)
        leaf.rmdir()


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


def _try_out(path: Path, files: Files) -> None:
    """Make and remove a limited cgroup, to know now rather than in the middle of a run."""
    try:
        path.mkdir()
        try:
            (path / files.limit).write_text(str(64 << 20))
        finally:
            path.rmdir()
    except OSError as error:
        raise NotUsableError(f"no limit can be set below {path.parent} ({error.strerror})") from error


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _read_keyed(path: Path, key: str) -> int | None:
    try:
        pairs = dict(line.split() for line in path.read_text().splitlines())
        return int(pairs[key])
    except (OSError, ValueError, KeyError):
        return None


def _read_oomd(path: Path) -> int | None:
    """systemd-oomd counts its kills in an extended attribute of the cgroup (systemd, oomd-util.c)."""
    try:
        return int(os.getxattr(path, "user.oomd_kill"))
    except (OSError, ValueError):
        return None
