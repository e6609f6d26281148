"""The last resort where no cgroup can be had: watch resident memory and kill."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from pathlib import Path

from soak.limit.base import Counters
from soak.process.procfs import descendants, rss_bytes

WATCH_EVERY_S = 0.05


class WatchdogLife:
    """Reads the resident memory of a process and its descendants at 20 Hz and kills its group above the limit."""

    procs: Path | None = None

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None
        self._peak_bytes = 0
        self._kills = 0

    def watch(self, pid: int) -> None:
        """Begin to watch ``pid``, the leader of its process group."""
        self._pid = pid
        self._thread = threading.Thread(target=self._run, name=f"watchdog-{pid}", daemon=True)
        self._thread.start()

    def usage_bytes(self) -> int | None:
        """Return the resident memory of the process and its descendants, None once it is gone."""
        if self._pid is None:
            return None
        readings = [rss_bytes(pid) for pid in (self._pid, *descendants(self._pid))]
        known = [reading for reading in readings if reading is not None]
        return sum(known) if known else None

    def check(self) -> bool:
        """Look once; kill above the limit. Return whether the life goes on."""
        usage = self.usage_bytes()
        if usage is None or self._pid is None:
            return False
        self._peak_bytes = max(self._peak_bytes, usage)
        if usage <= self._limit_bytes:
            return True
        self._kills += 1
        with contextlib.suppress(ProcessLookupError):  # it was quicker
            os.killpg(self._pid, signal.SIGKILL)
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

    def _run(self) -> None:
        while not self._stop.wait(WATCH_EVERY_S) and self.check():
            pass


class WatchdogMechanism:
    """Makes a watchdog per life."""

    name = "watchdog"

    def life(self, name: str, limit_bytes: int) -> WatchdogLife:  # noqa: ARG002 - a watchdog needs no name
        """Make a watchdog that waits for its process."""
        return WatchdogLife(limit_bytes)

    def close(self) -> None:
        """Nothing to put back."""
