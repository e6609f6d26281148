"""Readings of a process; None for what cannot be read, never 0.

Most are psutil's. Memory and descendants are read from /proc here: psutil reads what is not needed with the former, and
every process of the machine for the latter, ten times as slowly among a hundred of them.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import psutil

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Stat:
    """CPU time since the process started, and its number of threads."""

    cpu_s: float
    threads: int


@dataclass(frozen=True, slots=True)
class Smaps:
    """From /proc/PID/smaps_rollup."""

    uss_bytes: int
    pss_bytes: int


def find_process(pid: int) -> psutil.Process | None:
    """Return a process, told apart from a later one of the same pid; None when it is gone or a zombie."""
    try:
        process = psutil.Process(pid)
    except psutil.Error:
        return None
    return process if is_alive(process) else None


def is_alive(process: psutil.Process) -> bool:
    """Whether it is still there, and no zombie."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def rss_bytes(pid: int) -> int | None:
    """Return the resident memory of a process; None when it is gone, a zombie or not ours to read."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * _PAGE_BYTES or None  # a zombie, and a process that is being killed, read as 0


def read_stat(pid: int) -> Stat | None:
    """Return CPU time and number of threads."""
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            times = process.cpu_times()
            return Stat(cpu_s=times.user + times.system, threads=process.num_threads())
    except psutil.Error:
        return None


def started_ticks(pid: int) -> int | None:
    """Return when a process started, clock ticks since boot; None when it is gone or a zombie."""
    try:
        # the command's name, in parentheses, may hold anything
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
        return psutil.Process(pid).num_fds()
    except psutil.Error:
        return None


def environment_value(pid: int, name: str) -> str | None:
    """Return a variable that a process was started with; None when it has none, or is not ours to read."""
    try:
        return psutil.Process(pid).environ().get(name)
    except psutil.Error:
        return None


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
