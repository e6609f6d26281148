"""The memory limit around a run: that of a pod, a container or a scope, which the arms share with all else in it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from soak.limit.cgroup import V1, V2, Cgroup
from soak.limit.membership import PROC_CGROUP, PROC_MOUNTINFO, NotUsableError, own_cgroup, read_paths


@dataclass(frozen=True, slots=True)
class LimitAround:
    """The lowest memory limit of our cgroup and of those above it."""

    limit_bytes: int
    file: Path
    """Where it stands."""


def limit_around(proc_cgroup: Path = PROC_CGROUP, mountinfo: Path = PROC_MOUNTINFO) -> LimitAround | None:
    """Return the memory limit around this process; None where there is none, or none that can be read."""
    found = []
    for files in (V2, V1):
        with suppress(NotUsableError, OSError):
            own = own_cgroup(read_paths(proc_cgroup), read_paths(mountinfo), files.version)
            for path in (own, *own.parents):
                with suppress(OSError):  # not below the mount any more, or no file of the root
                    cgroup = Cgroup(path, files)
                    if (limit_bytes := cgroup.limit()) is not None:
                        found.append(LimitAround(limit_bytes, cgroup.limit_file))
    return min(found, key=lambda one: one.limit_bytes, default=None)
