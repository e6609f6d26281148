"""Readings of a process; None for what cannot be read, never 0.

Most are psutil's. Memory and descendants are read from /proc here: psutil reads what is not needed with the former, and
every process of the machine for the latter, ten times as slowly among a hundred of them.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

PROC = Path("/proc")
SYS_PTRACE = "SYS_PTRACE (docker run --cap-add SYS_PTRACE; in Kubernetes securityContext.capabilities.add)"
"""The capability that a container needs to read processes of other users, and how it is given."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATUS_LINE = re.compile(rb"^(Threads|RssAnon|RssFile|RssShmem|VmSwap):\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Status:
    """From /proc/PID/status; of memory None where the kernel does not count it apart (before 4.5)."""

    threads: int
    anon_bytes: int | None
    """Resident anonymous memory, RssAnon; from Linux 6.2 to 6.15 an estimate, see docs/reference/where-it-runs.md."""
    swap_bytes: int
    """Anonymous memory that is swapped out, VmSwap; 0 on a kernel without swap."""
    shmem_bytes: int | None
    """Resident shared memory and files on tmpfs that the process maps: RssShmem."""
    file_bytes: int | None
    """Resident pages of mapped files: RssFile."""


@dataclass(frozen=True, slots=True)
class Smaps:
    """From /proc/PID/smaps_rollup."""

    uss_bytes: int
    pss_bytes: int
    anon_bytes: int | None
    """Resident anonymous memory, counted page by page."""


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


def is_hidden(pid: int) -> bool:
    """Whether a process is there that /proc does not show to us: another user's, under the mount option hidepid."""
    if (PROC / str(pid)).exists():
        return False
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def rss_bytes(pid: int) -> int | None:
    """Return the resident memory of a process; None when it is gone, a zombie or not ours to read."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return None
    return pages * _PAGE_BYTES or None  # a zombie, and a process that is being killed, read as 0


def cpu_s(pid: int) -> float | None:
    """Return user and system time of a process since its start, seconds."""
    try:
        times = psutil.Process(pid).cpu_times()
    except psutil.Error:
        return None
    return times.user + times.system


def read_status(pid: int) -> Status | None:
    """Return threads and memory by kind; None when the process is gone or not ours to read.

    Costs microseconds at any size of the process, unlike ``read_smaps``.
    """
    try:
        text = (PROC / str(pid) / "status").read_bytes()
    except OSError:
        return None
    return parse_status(text)


def parse_status(text: bytes) -> Status | None:
    """Return what the text of /proc/PID/status states; None without a number of threads."""
    read = {key: int(value) for key, value in _STATUS_LINE.findall(text)}
    threads = read.pop(b"Threads", None)
    if threads is None:
        return None
    sizes = {key: kib * 1024 for key, kib in read.items()}
    return Status(
        threads=threads,
        anon_bytes=sizes.get(b"RssAnon"),
        swap_bytes=sizes.get(b"VmSwap", 0),
        shmem_bytes=sizes.get(b"RssShmem"),
        file_bytes=sizes.get(b"RssFile"),
    )


def started_ticks(pid: int) -> int | None:
    """Return when a process started, clock ticks since boot; None when it is gone or a zombie."""
    try:
        # the command's name, in parentheses, may hold anything, and no text
        fields = (PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
        return None if fields[0] in b"ZX" else int(fields[19])
    except (OSError, IndexError, ValueError):
        return None


def read_smaps(pid: int) -> Smaps | None:
    """Return sizes that are counted page by page; costs milliseconds per gigabyte of the target's memory."""
    try:
        text = (PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return None
    sizes = {}
    for line in text.splitlines()[1:]:
        key, _, rest = line.partition(":")
        sizes[key] = int(rest.split()[0]) * 1024
    if "Pss" not in sizes:
        return None
    uss = sum(sizes.get(key, 0) for key in ("Private_Clean", "Private_Dirty", "Private_Hugetlb"))
    return Smaps(uss_bytes=uss, pss_bytes=sizes["Pss"], anon_bytes=sizes.get("Anonymous"))


def count_fds(pid: int) -> int | None:
    """Return the number of open file descriptors."""
    try:
        return psutil.Process(pid).num_fds()
    except psutil.Error:
        return None


def fds_limit(pid: int) -> int | None:
    """Return the soft limit of open file descriptors; None for unlimited, and when it cannot be read."""
    try:
        text = (PROC / str(pid) / "limits").read_text()
    except OSError:
        return None
    found = re.search(r"^Max open files\s+(\d+)\s", text, re.MULTILINE)
    return int(found[1]) if found else None


def environment_value(pid: int, name: str) -> str | None:
    """Return a variable that a process was started with; None when it has none, or is not ours to read."""
    try:
        return psutil.Process(pid).environ().get(name)
    except psutil.Error:
        return None


def is_traceable(pid: int) -> bool:
    """Whether we may read more of a process than what /proc shows to everybody: environment, smaps, its root."""
    try:
        (PROC / str(pid) / "environ").open("rb").close()
    except PermissionError:
        return False
    except OSError:
        return True  # it is gone, which is noticed elsewhere
    return True


def descendants(pid: int) -> list[int]:
    """Return the process ids below ``pid``, from each thread's children file."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = _children(waiting.pop())
        found += below
        waiting += below
    return found


def processes_of(pid: int) -> list[int]:
    """Return the process ids of what a process has started, without its own.

    Those below it, and where a keeper of this process is its parent those that have detached from it: the keeper is
    their parent now. None for one that is gone.
    """
    try:
        parent = psutil.Process(pid).ppid()
        is_kept = psutil.Process(parent).ppid() == os.getpid()
    except psutil.Error:
        is_kept = False  # no keeper, or one that was killed: another parent has all processes of the machine below it
    return [one for one in descendants(parent) if one != pid] if is_kept else descendants(pid)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it, or one of its threads, has ended meanwhile
        for children in list((PROC / str(pid) / "task").glob("*/children")):
            found += [int(child) for child in children.read_text().split()]
    return found
