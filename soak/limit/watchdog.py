"""The last resort where no cgroup can be had: watch resident memory and kill."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from soak.limit.base import Counters, Usage
from soak.process.procfs import processes_of, read_smaps, rss_bytes

CHECK_EVERY_S = 0.05
EXACT_SHARE = 0.01
"""Share of the time that may go into exact readings, but for those before a kill: they cost 15 ms per GiB."""
CHANGED_SHARE = 0.1
"""The same where processes have come or gone since the last of them, which may change what the others share."""
ABOVE_EVERY_S = 1.0
"""Longest time between exact readings while the limit holds only as pages are shared, seconds: a write to one of them
takes memory, and no more is resident."""


def resident_by_pid(pid: int) -> dict[int, int]:
    """Return the resident memory of a kept process and of each that it started, by pid; empty once it is gone.

    A page that several of them share, as forked workers do, counts once in each.
    """
    return _by_pid(pid, rss_bytes)


def proportional_bytes(pid: int) -> int | None:
    """Return the sum of the same with a page shared by n processes counted as 1/n in each; None once it is gone.

    Of a process that we may not read so it is the resident memory, an upper bound.
    """

    def of_one(each: int) -> int | None:
        smaps = read_smaps(each)
        return rss_bytes(each) if smaps is None else smaps.pss_bytes

    readings = _by_pid(pid, of_one)
    return sum(readings.values()) if readings else None


def _by_pid(pid: int, bytes_of: Callable[[int], int | None]) -> dict[int, int]:
    readings = ((each, bytes_of(each)) for each in (pid, *processes_of(pid)))
    return {each: reading for each, reading in readings if reading is not None}


@dataclass(frozen=True, slots=True)
class ExactReading:
    """What an exact reading found."""

    pids: frozenset[int]
    twice_bytes: int
    """Of the resident memory, what was counted more than once."""
    took_s: float
    ended_s: float


class SharedOnce:
    """Resident memory of a process and all that it started, what they share counted once.

    Exact readings are rare. In between it is the resident memory less what the last of them found to be counted twice,
    but no less than that of the largest process.
    """

    def __init__(
        self,
        limit_bytes: int,
        resident: Callable[[int], Mapping[int, int]] = resident_by_pid,
        exact: Callable[[int], int | None] = proportional_bytes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._resident = resident
        self._exact = exact
        self._clock = clock
        self._last: ExactReading | None = None

    def read(self, pid: int, *, exactly: bool = False) -> int | None:
        """Return the bytes; None once the process is gone."""
        resident = self._resident(pid)
        if not resident:
            return None
        last = self._last
        if exactly or last is None or self._is_due(last, resident):
            self._last = last = self._read_exactly(pid, resident)
        return max(*resident.values(), sum(resident.values()) - last.twice_bytes)

    def _is_due(self, last: ExactReading, resident: Mapping[int, int]) -> bool:
        """Return whether the next exact reading is due."""
        after_s = last.took_s / (EXACT_SHARE if resident.keys() == last.pids else CHANGED_SHARE)
        if sum(resident.values()) > self._limit_bytes:
            after_s = min(after_s, ABOVE_EVERY_S)
        return self._clock() >= last.ended_s + after_s

    def _read_exactly(self, pid: int, resident: Mapping[int, int]) -> ExactReading:
        began_s = self._clock()
        exact = self._exact(pid)
        ended_s = self._clock()
        twice_bytes = 0 if exact is None else max(0, sum(resident.values()) - exact)
        return ExactReading(frozenset(resident), twice_bytes, ended_s - began_s, ended_s)


def kill_group(pid: int) -> None:
    """Kill the process group that ``pid`` leads; one that has ended is left alone."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class WatchdogLife:
    """Reads the resident memory of a process and all that it started at 20 Hz, and kills its group above the limit.

    Pages that they share count once. What has detached from it ends with it, by its keeper.
    """

    procs: Path | None = None

    def __init__(
        self,
        limit_bytes: int,
        memory: SharedOnce | None = None,
        kill: Callable[[int], None] = kill_group,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._memory = memory or SharedOnce(limit_bytes)
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
        """Return the resident memory of the process and all that it started.

        It has no file cache: pages of files that are mapped count as memory in use, as before a kill.
        """
        charged = None if self._pid is None else self._memory.read(self._pid)
        return Usage(charged, file_bytes=None if charged is None else 0)

    def check(self, pid: int) -> bool:
        """Read the memory, exactly near the limit, and kill above it; return whether the process lives on."""
        usage = self._memory.read(pid)
        if usage is not None and usage > self._limit_bytes:
            usage = self._memory.read(pid, exactly=True)
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
