"""Memory limits by cgroups, version 1 and 2: how a life's limit is made, read and removed."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from soak.errors import HarnessError
from soak.limit.base import Counters, Usage
from soak.limit.membership import PROC_CGROUP, PROC_MOUNTINFO, NotUsableError, own_cgroup, read_paths
from soak.process.guard import Guard, remove_cgroup

REMOVE_S = 1.0
"""Time to remove the cgroup of a life, seconds; else the guard goes on with it at the end of the run."""

UNLIMITED_BYTES = 1 << 62
"""Limit from which on a cgroup v1 has none, bytes: it reads as the largest number of whole pages."""
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
"""Size of a page, bytes: a limit is rounded down to whole ones."""
MET_WITHIN_BYTES = 1 << 20
"""Distance of a peak from the limit within which a cgroup v1 has met it, bytes: the kernel kills once eight pages more
do not fit. Its failcnt does not tell: with memory and swap limited to the same bytes, none rises on Linux 6.18."""


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
    swap_peak: str
    """Highest of what the limit of swap limits."""
    events: str
    """Name of the file of ``key value`` lines that holds ``oom_kill``."""
    shmem: str
    """Key of memory.stat: shared memory and files on tmpfs, of the cgroup and those below it."""
    file: str
    """Key of memory.stat: file cache with these."""
    kernel: str
    """Key of memory.stat, or name of a file: kernel memory."""
    reclaimable: str = ""
    """Key of memory.stat: kernel memory that is given back under pressure, as caches of files' names; version 1 has
    none."""


V1 = Files(
    version=1,
    limit="memory.limit_in_bytes",
    swap="memory.memsw.limit_in_bytes",
    swap_value=None,
    usage="memory.usage_in_bytes",
    peak="memory.max_usage_in_bytes",
    swap_peak="memory.memsw.max_usage_in_bytes",
    events="memory.oom_control",
    shmem="total_shmem",
    file="total_cache",
    kernel="memory.kmem.usage_in_bytes",
)
V2 = Files(
    version=2,
    limit="memory.max",
    swap="memory.swap.max",
    swap_value="0",
    usage="memory.current",
    peak="memory.peak",
    swap_peak="memory.swap.peak",
    events="memory.events",
    shmem="shmem",
    file="file",
    kernel="kernel",
    reclaimable="slab_reclaimable",
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

    def usage(self) -> Usage:
        """Return the bytes charged now, and what of them is shared memory, kernel memory and file cache."""
        return read_usage(self._path, self._files)

    def counters(self) -> Counters:
        """Read peak and kills; a file the kernel lacks gives None."""
        return read_counters(self._path, self._files)

    def close(self) -> None:
        """Kill what is left inside and remove the cgroup."""
        if self.procs is not None and remove_cgroup(self._path, REMOVE_S):
            self._guard.drop_cgroup(self._path)
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
        return CgroupLife(self._parent / f"{self._prefix}-{name}", self._files, limit_bytes, self._guard)

    def close(self) -> None:
        """Leave the leaf that version 2 made us enter, and remove it."""
        if self._leaf is not None and _reunite(self._parent, self._leaf):
            self._guard.drop_leaf(self._leaf)
        self._leaf = None


def find_v1(guard: Guard, prefix: str) -> CgroupMechanism:
    """Use version 1 below our own path; ``prefix`` begins the name of each cgroup. Raises NotUsableError."""
    parent = own_cgroup(read_paths(PROC_CGROUP), read_paths(PROC_MOUNTINFO), V1.version)
    _try_out(parent / f"{prefix}-try", V1)
    return CgroupMechanism(parent, V1, guard, name="cgroup v1", prefix=prefix)


def find_v2(guard: Guard, prefix: str, *, in_scope: bool) -> CgroupMechanism:
    """Use version 2 below our own cgroup if its subtree is ours; ``prefix`` and errors as in ``find_v1``."""
    own = own_cgroup(read_paths(PROC_CGROUP), read_paths(PROC_MOUNTINFO), V2.version)
    leaf = _enable_memory(own, prefix)
    try:
        _try_out(own / f"{prefix}-try", V2)
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


def whole_pages(size_bytes: int) -> int:
    """Return the limit that the kernel makes of so many bytes."""
    return size_bytes // PAGE_BYTES * PAGE_BYTES


def read_limit(path: Path, files: Files) -> int | None:
    """Return the memory limit of the cgroup at ``path``, bytes; None where it has none. Raises OSError."""
    return _read_limit(path / files.limit)


def _read_limit(file: Path) -> int | None:
    text = file.read_text().strip()
    return int(text) if text.isdecimal() and int(text) < UNLIMITED_BYTES else None


def read_counters(path: Path, files: Files) -> Counters:
    """Return peak and kills of the cgroup at ``path``; a file the kernel lacks gives None."""
    events = _read_stat(path / files.events)
    counted = Counters(_read_int(path / files.peak), events.get("oom_kill"), _read_oomd(path))
    if files.version == 1:
        return replace(counted, met_limit=_met_by_peaks(path, files))
    ooms = _own_ooms(path, events)
    return replace(counted, met_limit=None if ooms is None else ooms > 0, ooms=ooms)


def _met_by_peaks(path: Path, files: Files) -> bool | None:
    """Say by the peaks whether the charge has met the limit of memory, or that of memory and swap; None if unknown.

    What is swapped out for others stays in the second, which can so be met while the first is not.
    """
    if _met_by_peak(path / files.swap, path / files.swap_peak):
        return True
    return _met_by_peak(path / files.limit, path / files.peak)


def _met_by_peak(limit: Path, peak: Path) -> bool | None:
    """Say whether a peak has met its limit; None where one of them cannot be read."""
    try:
        limit_bytes = _read_limit(limit)
    except (OSError, ValueError):
        return None
    if limit_bytes is None:
        return False
    peak_bytes = _read_int(peak)
    return None if peak_bytes is None else peak_bytes >= limit_bytes - MET_WITHIN_BYTES


def _own_ooms(path: Path, events: dict[str, int]) -> int | None:
    """Return how often the cgroup's own limit left it out of memory; before Linux 5.2 its only events were its own."""
    return (_read_stat(path / "memory.events.local") or events).get("oom")


def read_usage(path: Path, files: Files) -> Usage:
    """Return what is charged to the cgroup at ``path``.

    File cache includes shared memory in memory.stat of both versions (kernel, cgroup-v2.rst and cgroup-v1/memory.rst).
    Kernel memory that is given back under pressure counts as such cache where the version tells it apart.
    """
    charged = _read_int(path / files.usage)
    if charged is None:
        return Usage(problem=f"{path / files.usage} is not readable")
    stat = _read_stat(path / "memory.stat")
    shmem, cache = stat.get(files.shmem), stat.get(files.file)
    kernel = stat[files.kernel] if files.kernel in stat else _read_int(path / files.kernel)
    reclaimable = stat.get(files.reclaimable, 0) if kernel is not None else 0
    kernel = None if kernel is None else max(0, kernel - reclaimable)
    if shmem is None or cache is None:
        lacking = files.file if cache is None else files.shmem
        problem = (
            f"{path / 'memory.stat'} has no {lacking}" if stat else f"{path / 'memory.stat'} is not readable"
        )
        return Usage(charged, kernel_bytes=kernel, shmem_bytes=shmem, problem=problem)
    given_back = max(0, cache - shmem) + reclaimable
    return Usage(charged, shmem_bytes=shmem, kernel_bytes=kernel, file_bytes=given_back)


def _read_stat(path: Path) -> dict[str, int]:
    """Return a file of ``key value`` lines; what cannot be read is left out."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, ValueError):
        return {}
    pairs = (line.split() for line in lines)
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def _read_oomd(path: Path) -> int | None:
    """systemd-oomd counts its kills in an extended attribute of the cgroup (systemd, oomd-util.c)."""
    try:
        return int(os.getxattr(path, "user.oomd_kill"))
    except (OSError, ValueError):
        return None
