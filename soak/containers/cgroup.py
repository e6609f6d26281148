"""The cgroup that an engine has made for a container, found from a process in it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from soak.limit.cgroup import V1, V2, Cgroup
from soak.limit.membership import PROC_MOUNTINFO, NotUsableError, own_cgroup, read_paths
from soak.process.procfs import PROC

CONTAINER_ID: Final = re.compile(r"[0-9a-f]{64}")


def find_cgroup(pid: int, mountinfo: Path = PROC_MOUNTINFO, proc: Path = PROC) -> Cgroup:
    """Return the cgroup of the container of a process; raises NotUsableError with the reason.

    Where both versions are mounted, version 1 is looked at first: only where it lacks memory has version 2 it.
    """
    try:
        texts = read_paths(proc / str(pid) / "cgroup"), read_paths(mountinfo)
    except OSError as error:
        raise NotUsableError(f"the cgroup of pid {pid} cannot be read ({error.strerror})") from error
    refused = []
    for files in (V1, V2):
        try:
            return Cgroup(_whole(own_cgroup(*texts, files.version)), files)
        except NotUsableError as error:
            refused.append(str(error))
    raise NotUsableError(f"pid {pid}: {'; '.join(refused)}")


def _whole(path: Path) -> Path:
    """Return the container's cgroup from that of a process in it, which may be below: crun and systemd divide it.

    The one that is named after the container has the limit; the path itself where none is.
    """
    return next((one for one in (path, *path.parents) if CONTAINER_ID.search(one.name)), path)
