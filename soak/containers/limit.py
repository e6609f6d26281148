"""The memory limit of a container, read like our own cgroups: set by its engine, or there before us."""

from __future__ import annotations

from pathlib import Path

from soak.containers.cgroup import find_cgroup
from soak.containers.kills import KillWatcher
from soak.errors import UsageError
from soak.limit.base import Counters, Usage
from soak.limit.cgroup import PAGE_BYTES, Cgroup
from soak.limit.membership import NotUsableError
from soak.process.procfs import started_ticks


class ContainerLimit:
    """The limit around one life that is a container; in its cgroup from the start, so nobody has to enter it."""

    procs: Path | None = None

    def __init__(self, engine: str, key: str, limit_bytes: int) -> None:
        """``key`` is the setting that named the image."""
        self._engine = engine
        self._key = key
        self._limit_bytes = limit_bytes
        self._cgroup: Cgroup | None = None
        self._kills: KillWatcher | None = None

    def watch(self, pid: int) -> None:
        """Find the container's cgroup and count its kills.

        Raises UsageError where it has another limit than was asked for, or none: an engine may ignore it with a
        warning.
        """
        try:
            cgroup = find_cgroup(pid)
            found = cgroup.limit()
        except (NotUsableError, OSError) as error:
            if started_ticks(pid) is None:
                return  # it has just ended, and its end will be noticed
            raise UsageError(
                f"{self._key}: the memory limit that {self._engine} set cannot be read back: {error}."
            ) from None
        self._check(found, cgroup.limit_file)
        self._cgroup = cgroup
        self._kills = KillWatcher(cgroup, pid, self._limit_bytes)

    def usage(self) -> Usage:
        """Return the bytes charged now, and what of them is shared memory, kernel memory and file cache."""
        return Usage() if self._cgroup is None else self._cgroup.usage()

    def counters(self) -> Counters:
        """Return peak and kills, also when the cgroup is gone; None for all where the process was never found."""
        return Counters() if self._kills is None else self._kills.counters()

    def close(self) -> None:
        """Watch no more; the engine removes the cgroup."""
        if self._kills is not None:
            self._kills.close()

    def _check(self, found: int | None, file: Path) -> None:
        """Raise UsageError where the limit is another one; it holds whole pages."""
        if found is not None and 0 <= self._limit_bytes - found < PAGE_BYTES:
            return
        has = "no memory limit" if found is None else f"a memory limit of {found:,} bytes"
        raise UsageError(
            f"{self._key}: {self._engine} set {has} instead of {self._limit_bytes:,} bytes ({file}). Rootless podman "
            "sets none on cgroup v1: run this as root, or leave out limit.memory."
        )


class FoundLimit:
    """The limit of a container that was there before us: read, never set. Its kills are counted from now on."""

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
