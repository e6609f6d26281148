"""What every limit mechanism offers, and how a death is attributed."""

from __future__ import annotations

import signal
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Counters:
    """What the mechanism counted during one life; None where it does not count."""

    peak_bytes: int | None = None
    oom_kills: int | None = None
    """Kills by the kernel, whichever memory had run out: this limit's, that of a cgroup above it, or the machine's."""
    oomd_kills: int | None = None
    watchdog_kills: int | None = None
    met_limit: bool | None = None
    """Whether the charge has met this limit, without which no kill by the kernel is one of this limit."""
    ooms: int | None = None
    """How often this limit itself had run out; None where only the peak tells of it (cgroup v1)."""

    def since(self, earlier: Counters) -> Counters:
        """Return what was counted since ``earlier``; the peak is still that of the whole life.

        A peak that had met the limit before does not tell whether it did so again.
        """
        ooms = _more(self.ooms, earlier.ooms)
        by_peak = self.met_limit if not self.met_limit or earlier.met_limit is False else None
        return replace(
            self,
            oom_kills=_more(self.oom_kills, earlier.oom_kills),
            oomd_kills=_more(self.oomd_kills, earlier.oomd_kills),
            met_limit=by_peak if ooms is None else ooms > 0,
            ooms=ooms,
        )

    @property
    def kills_by_limit(self) -> int | None:
        """Kills by the kernel that this limit can have caused; None where it does not count."""
        return None if self.oom_kills is None else self.oom_kills if self.met_limit else 0


def _more(count: int | None, earlier: int | None) -> int | None:
    return None if count is None else count - (earlier or 0)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a limit is charged with at one moment, bytes; None where it cannot be read."""

    charged_bytes: int | None = None
    shmem_bytes: int | None = None
    """Of the charge, shared memory and files on tmpfs."""
    kernel_bytes: int | None = None
    """Of the charge, kernel memory; None also where the kernel does not count it."""
    file_bytes: int | None = None
    """Of the charge, file cache without shared memory."""
    problem: str | None = None
    """Why a part of it is missing; None for nothing, and where the mechanism does not count parts."""


class LifeLimit(Protocol):
    """The limit around one life of an arm."""

    @property
    def procs(self) -> Path | None:
        """The file through which a process enters the limit, None when it need not."""

    def watch(self, pid: int) -> None:
        """The life's process has started."""

    def usage(self) -> Usage:
        """Memory charged to the life now."""

    def counters(self) -> Counters:
        """Read the counters; to be done before ``close``."""

    def close(self) -> None:
        """Remove the limit; the life is over. Idempotent."""


class LimitMechanism(Protocol):
    """One way to limit memory on this machine."""

    @property
    def name(self) -> str:
        """As it stands in the manifest."""

    def life(self, name: str, limit_bytes: int) -> LifeLimit:
        """Make the limit for one life; raises HarnessError when it cannot be made."""

    def close(self) -> None:
        """Put the machine back as it was. Idempotent."""


class Unlimited:
    """The life limit of an arm that has none."""

    procs: Path | None = None

    def watch(self, pid: int) -> None:
        """Nothing to do."""

    def usage(self) -> Usage:
        """Nothing is charged."""
        return Usage()

    def counters(self) -> Counters:
        """Nothing is counted."""
        return Counters()

    def close(self) -> None:
        """Nothing to remove."""


def who_ended(code: int, counters: Counters, *, asked: bool) -> str:
    """Say what ended a process, from its exit code, the limit's counters and whether we had asked it to stop."""
    if asked:
        return "soak"
    # A shell or another launcher ends with 128 and the signal that ended what it had launched.
    if code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        if counters.kills_by_limit:
            return "kernel"
        if counters.watchdog_kills:
            return "watchdog"
        if counters.oomd_kills:
            return "systemd-oomd"
        return "unknown"
    return "itself"
