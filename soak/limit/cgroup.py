"""A cgroup as the kernel shows it, version 1 or 2: its limit, what is charged to it and what it has counted."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from soak.limit.base import Counters, Usage

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


def whole_pages(size_bytes: int) -> int:
    """Return the limit that the kernel makes of so many bytes."""
    return size_bytes // PAGE_BYTES * PAGE_BYTES


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A cgroup, and by which names its version calls things."""

    path: Path
    files: Files

    @property
    def limit_file(self) -> Path:
        """Where its memory limit stands."""
        return self.path / self.files.limit

    def limit(self) -> int | None:
        """Return its memory limit, bytes; None where it has none. Raises OSError."""
        return _read_limit(self.limit_file)

    def usage(self) -> Usage:
        """Return what is charged to it.

        File cache includes shared memory in memory.stat of both versions (kernel, cgroup-v2.rst and
        cgroup-v1/memory.rst). Kernel memory that is given back under pressure counts as such cache where the version
        tells it apart.
        """
        path, files = self.path, self.files
        charged = _read_int(path / files.usage)
        if charged is None:
            return Usage(problem=f"{path / files.usage} is not readable")
        stat_file = path / "memory.stat"
        stat = _read_stat(stat_file)
        shmem, cache = stat.get(files.shmem), stat.get(files.file)
        kernel = stat[files.kernel] if files.kernel in stat else _read_int(path / files.kernel)
        reclaimable = stat.get(files.reclaimable, 0) if kernel is not None else 0
        kernel = None if kernel is None else max(0, kernel - reclaimable)
        if shmem is None or cache is None:
            lacking = files.file if cache is None else files.shmem
            problem = f"{stat_file} has no {lacking}" if stat else f"{stat_file} is not readable"
            return Usage(charged, kernel_bytes=kernel, shmem_bytes=shmem, problem=problem)
        given_back = max(0, cache - shmem) + reclaimable
        return Usage(charged, shmem_bytes=shmem, kernel_bytes=kernel, file_bytes=given_back)

    def counters(self) -> Counters:
        """Return peak and kills; a file the kernel lacks gives None."""
        path, files = self.path, self.files
        events = _read_stat(path / files.events)
        counted = Counters(_read_int(path / files.peak), events.get("oom_kill"), _read_oomd(path))
        if files.version == 1:
            return replace(counted, met_limit=self._met_by_peaks())
        ooms = self._own_ooms(events)
        return replace(counted, met_limit=None if ooms is None else ooms > 0, ooms=ooms)

    def _met_by_peaks(self) -> bool | None:
        """Say by the peaks whether the charge has met the limit of memory, or that of memory and swap; None if unknown.

        What is swapped out for others stays in the second, which can so be met while the first is not.
        """
        if _met_by_peak(self.path / self.files.swap, self.path / self.files.swap_peak):
            return True
        return _met_by_peak(self.limit_file, self.path / self.files.peak)

    def _own_ooms(self, events: dict[str, int]) -> int | None:
        """Return how often its own limit left it out of memory; before Linux 5.2 its only events were its own."""
        return (_read_stat(self.path / "memory.events.local") or events).get("oom")


def _read_limit(file: Path) -> int | None:
    text = file.read_text().strip()
    return int(text) if text.isdecimal() and int(text) < UNLIMITED_BYTES else None


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
