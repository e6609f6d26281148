"""The last resort where no cgroup can be had: watch resident memory and kill."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

from soak.limit.base import Counters, Usage
from soak.process.procfs import processes_of, rss_bytes

CHECK_EVERY_S = 0.05


def resident_bytes(pid: int) -> int | None:
    """Return the resident memory of a kept process and all that it started, None once it is gone."""
    readings = [rss_bytes(each) for each in (pid, *processes_of(pid))]
    known = [reading for reading in readings if reading is not None]
    return sum(known) if known else None


def kill_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads; one that has ended is left alone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class WatchdogLife:
    """Reads the resident memory of a process and all that it started at 20 Hz, and kills its group above the limit.

    What has detached from it ends with it, by its keeper.
    """

    procs: Path | None = None

    def __init__(
        self,
        limit_bytes: int,
        usage: Callable[[int], int | None] = resident_bytes,
        kill: Callable[[int], None] = kill_group,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._usage = usage
        self._kill = kill
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._peak_bytes = 0
        self._kills = 0

    def watch(self, pid: int) -> None:
        """Begin to watch ``pid``, the leader of its process group."""
        self._pid = pid
        self._thread = threading.Thread(target=self._run, args=(pid,), name=f"watchdog-{pid}", daemon=True)
        self._thread.start()

    def usage(self) -> Usage:
        """Return the resident memory of the process and all that it started, without parts."""
        return Usage(None if self._pid is None else self._usage(self._pid))

    def check(self, pid: int) -> bool:
        """Read the memory once and kill above the limit; return whether the process lives on."""
        usage = self._usage(pid)
        if usage is None:
            return False
        self._peak_bytes = max(self._peak_bytes, usage)
        if usage <= self._limit_bytes:
            return True
        try:
            self._kill(pid)
        except PermissionError:
            return True  # it has another user by now; that it went beyond the limit is seen by its peak
        self._kills += 1
        return False

    def counters(self) -> Counters:
        """Return the peak seen and the kills made."""
        return Counters(peak_bytes=self._peak_bytes or None, watchdog_kills=self._kills)

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self, pid: int) -> None:
        while not self._stop.wait(CHECK_EVERY_S) and self.check(pid):
            pass


class WatchdogMechanism:
    """Makes a watchdog per life."""

    name = "watchdog"

    def life(self, name: str, limit_bytes: int) -> WatchdogLife:  # noqa: ARG002 - a watchdog needs no name
        """Make a watchdog that waits for its process."""
        return WatchdogLife(limit_bytes)

    def close(self) -> None:
        """Nothing to put back."""
