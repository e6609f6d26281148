"""What is attached to: processes by their pids, and the first process of containers by their names."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from psutil import Process, pid_exists

from soak.containers.engine import Container, find_container
from soak.containers.limit import found_limit_bytes
from soak.errors import UsageError
from soak.process.procfs import (
    SYS_PTRACE,
    count_fds,
    descendants,
    find_process,
    is_hidden,
    is_traceable,
    rss_bytes,
)

_LONGEST_NAME: Final = 32
"""Characters of an arm's name at most, as in ARM_NAME."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A process that is sampled with those below it: an arm."""

    process: Process
    container: Container | None = None
    """The container whose first process it is; None for a process that was given by its pid."""
    limit_bytes: int | None = None
    """The container's memory limit; None where it has none."""

    @property
    def name(self) -> str:
        """The name of the arm: ``container_NAME``, or ``pid_N``."""
        if self.container is None:
            return f"pid_{self.process.pid}"
        return "container_" + re.sub(r"[^a-z0-9]", "_", self.container.name.lower())[: _LONGEST_NAME - 10]

    @property
    def option(self) -> str:
        """The option that named it, for a message."""
        return f"--pid {self.process.pid}" if self.container is None else f"--container {self.container.name}"

    @property
    def unreadable(self) -> str:
        """What cannot be read of it and what is missing for that, for a message; "" where we may read all."""
        if is_traceable(self.process.pid):
            return ""
        return (
            f"only RSS and CPU can be read, no probe, USS or objects: the capability {SYS_PTRACE} is missing"
        )

    @property
    def facts(self) -> dict[str, Any]:
        """What the manifest has of it; nothing of the process but its pid."""
        facts: dict[str, Any] = {"name": self.name, "pid": self.process.pid}
        if self.container is not None:
            one = self.container
            facts["container"] = {
                "engine": one.engine, "name": one.name, "id": one.id, "image_id": one.image_id
            }  # fmt: skip
        return facts


def find_attachments(pids: Sequence[int], containers: Sequence[str]) -> tuple[Attachment, ...]:
    """Return what is to be attached to.

    Raises UsageError for one that is not there, not readable, given twice, below another or named as one, and for none.
    """
    found = [_attachment(pid, None) for pid in pids]
    for name in containers:
        container = find_container(name)
        found.append(_attachment(container.pid or 0, container))
    if not found:
        raise UsageError("Give --pid or --container: what is to be attached to.")
    for at, one in enumerate(found):
        for earlier in found[:at]:
            if one.process == earlier.process:
                same = "" if one.option == earlier.option else f": {earlier.option} is the same process"
                raise UsageError(f"{one.option} is given twice{same}.")
            if one.name == earlier.name:
                raise UsageError(
                    f"{one.option} and {earlier.option} are both the arm {one.name}: give one by its id."
                )
    for one in found:
        below = set(descendants(one.process.pid))
        for other in found:
            if other.process.pid in below:
                raise UsageError(
                    f"{other.option} runs below {one.option}, which is sampled with it: leave it out."
                )
    return tuple(found)


def _attachment(pid: int, container: Container | None) -> Attachment:
    option = f"--pid {pid}" if container is None else f"--container {container.name}, pid {pid}"
    process = find_process(pid)
    if process is None and is_hidden(pid):
        raise UsageError(
            f"{option}: /proc hides it from this user (mount option hidepid); run this as its user, or as root."
        )
    if process is None or rss_bytes(pid) is None:
        raise UsageError(f"{option}: no such process; find it with pgrep -af NAME.")
    if not pid_exists(pid):
        raise UsageError(
            f"{option}: is a thread, not a process; find it in the column LWP of ps -eLf, and give its PID."
        )
    if count_fds(pid) is None:
        fix = (
            "run this as its user, or as root"
            if os.geteuid()
            else f"root needs DAC_OVERRIDE and {SYS_PTRACE}"
        )
        raise UsageError(f"{option}: it is not ours to read; {fix}.")
    return Attachment(process, container, None if container is None else found_limit_bytes(pid))
