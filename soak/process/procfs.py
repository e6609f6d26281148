"""Readings of a process from /proc, each one small read; None for what cannot be read, never 0."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Stat:
    """From /proc/PID/stat."""

    cpu_s: float
    threads: int


@dataclass(frozen=True, slots=True)
class Smaps:
    """From /proc/PID/smaps_rollup."""

    uss_bytes: int
    pss_bytes: int


def rss_bytes(pid: int) -> int | None:
    """Return the resident memory of a process; None when it is gone, a zombie or not ours to read."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * _PAGE_BYTES or None  # a zombie, and a process that is being killed, read as 0


def read_stat(pid: int) -> Stat | None:
    """Return CPU time since the start and the number of threads."""
    try:
        # the command's name, in parentheses, may hold anything
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
        return Stat(cpu_s=cpu_s, threads=int(fields[17]))
    except (OSError, IndexError, ValueError):
        return None


def started_ticks(pid: int) -> int | None:
    """Return when a process started, clock ticks since boot; None when it is gone or a zombie."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


def read_smaps(pid: int) -> Smaps | None:
    """Return unique and proportional set size; costs milliseconds per gigabyte of the target's memory."""
    try:
        text = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    sizes = {}
    for line in text.splitlines()[1:]:
        key, _, rest = line.partition(":")
        sizes[key] = int(rest.split()[0]) * 1024
    if "Pss" not in sizes:
        return None
    uss = sum(sizes.get(key, 0) for key in ("Private_Clean", "Private_Dirty", "Private_Hugetlb"))
    return Smaps(uss_bytes=uss, pss_bytes=sizes["Pss"])


def count_fds(pid: int) -> int | None:
    """Return the number of open file descriptors."""
    try:
        return len(os.listdir(_PROC / str(pid) / "fd"))  # noqa: PTH208 - a list of names is all that is counted
    except OSError:
        return None


def environment_value(pid: int, name: str) -> str | None:
    """Return a variable that a process was started with; None when it has none, or is not ours to read."""
    try:
        variables = (_PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return None
    prefix = f"{name}=".encode()
    found = next((entry for entry in variables if entry.startswith(prefix)), None)
    return None if found is None else os.fsdecode(found.removeprefix(prefix))


def descendants(pid: int) -> list[int]:
    """Return the process ids below ``pid``, from each thread's children file."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = _children(waiting.pop())
        found += below
        waiting += below
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it, or one of its threads, has ended meanwhile
        for children in list((_PROC / str(pid) / "task").glob("*/children")):
            found += [int(child) for child in children.read_text().split()]
    return found
