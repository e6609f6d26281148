"""The memory limit of a container that was there before us: read, never set."""

from __future__ import annotations

from pathlib import Path

from soak.containers.cgroup import find_cgroup
from soak.containers.kills import KillWatcher
from soak.limit.base import Counters, Usage
from soak.limit.membership import NotUsableError


class FoundLimit:
    """The cgroup of a container, whose kills are counted from now on."""

    procs: Path | None = None

    def __init__(self, pid: int) -> None:
        """``pid`` is the container's first process; raises NotUsableError or OSError without a readable cgroup."""
        self._cgroup = find_cgroup(pid)
        limit_bytes = self._cgroup.limit()
        self._kills = KillWatcher(self._cgroup, pid, limit_bytes or 0)
        self._earlier = self._kills.counters()

    def watch(self, pid: int) -> None:
        """Nothing: whatever the process starts is in the cgroup."""

    def usage(self) -> Usage:
        """Return the bytes charged now, and what of them is shared memory, kernel memory and file cache."""
        return self._cgroup.usage()

    def counters(self) -> Counters:
        """Return the peak since the container's start, and since ours the kills and whether the limit was met."""
        return self._kills.counters().since(self._earlier)

    def close(self) -> None:
        """Watch no more. Idempotent."""
        self._kills.close()


def found_limit_bytes(pid: int) -> int | None:
    """Return the memory limit of the container of a process; None where it has none, or it cannot be read."""
    try:
        return find_cgroup(pid).limit()
    except (NotUsableError, OSError):
        return None
