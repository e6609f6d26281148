"""Counts the kills in a container's cgroup, which the engine removes milliseconds after its processes are gone.

Version 1 signals an eventfd each time that the cgroup, or one above it, is out of memory, and once when it is removed.
This outlives the cgroup: one signal since the last reading, more than that of the removal, is a kill that was not read.
Where the cgroup above was signalled, too, it was not the container's limit that was met.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

from soak.limit.base import Counters
from soak.limit.cgroup import Cgroup

FOLLOW_EVERY_S: Final = 0.002
"""Time between two readings once the kernel has run out of memory or the process has ended, seconds.

The engines remove the cgroup 0 to 11 ms (docker) and 41 to 218 ms (podman) after the last process is gone."""
FOLLOW_S: Final = 1.0
"""Time for which it is read so often, seconds."""
READ_EVERY_S: Final = 1.0
"""Time between two readings without any event, seconds."""
RECLAIM: Final = (b"low", b"high", b"max")
"""Lines of memory.events that count how often memory was reclaimed, or could not be."""
SIGNAL_S: Final = 0.1
"""Time for the signal of the removal to arrive once the cgroup is gone, seconds; it takes less than 0.001."""

Count = TypeVar("Count", bound=int)


class KillWatcher:
    """Reads peak and kills in a thread of its own, woken by the kernel. ``close`` is idempotent."""

    def __init__(
        self,
        cgroup: Cgroup,
        pid: int,
        limit_bytes: int,
        read: Callable[[], Counters] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``pid`` is the container's first process, whose end is an event, too; ``read`` reads the counters."""
        self._cgroup = cgroup
        self._limit_bytes = limit_bytes
        self._read_now = read or cgroup.counters
        self._sleep = sleep
        self._latest = Counters()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._open = ExitStack()
        self._poller = select.poll()
        self._events: int | None = None
        """Descriptor of memory.events of version 2; None with version 1."""
        self._signals: int | None = None
        """Descriptor of the eventfd of version 1; None with version 2, and where it is not ours to register."""
        self._signalled = 0
        """How often it was signalled since the last reading."""
        self._signals_above: int | None = None
        """Descriptor of the eventfd of the cgroup above it; None likewise."""
        self._signalled_above = 0
        self._seen: frozenset[bytes] = frozenset()
        """Lines of memory.events as they were last, see ``_of_note``."""
        self._stop = self._register(self._closed_at_end(os.eventfd(0, os.EFD_CLOEXEC)))
        with suppress(OSError):  # it has ended already
            self._register(self._closed_at_end(os.pidfd_open(pid)))
        with suppress(OSError):  # the end of the process still wakes us
            self._register_events()
        self._thread = threading.Thread(target=self._run, name=f"kills-{pid}", daemon=True)
        self._thread.start()

    def counters(self) -> Counters:
        """Return the highest readings until now; once the cgroup is gone, with what its signals add."""
        if not self._read():
            self._thread.join(2 * SIGNAL_S)
        return self._latest

    def close(self) -> None:
        """End the thread."""
        if not self._stopped.is_set():
            self._stopped.set()
            os.eventfd_write(self._stop, 1)
            self._thread.join()
            self._open.close()

    def _register(self, descriptor: int) -> int:
        self._poller.register(descriptor, select.POLLIN)
        return descriptor

    def _closed_at_end(self, descriptor: int) -> int:
        self._open.callback(os.close, descriptor)
        return descriptor

    def _register_events(self) -> None:
        """Have the kernel wake us when the cgroup is out of memory."""
        path, files = self._cgroup.path, self._cgroup.files
        events = self._closed_at_end(os.open(path / files.events, os.O_RDONLY | os.O_CLOEXEC))
        if files.version == 2:  # woken once the file has changed since it was read
            self._seen = _of_note(os.pread(events, 4096, 0))
            self._poller.register(events, select.POLLPRI)
            self._events = events
        else:
            self._signals = self._register(self._signals_of(path, events))
            above = self._closed_at_end(os.open(path.parent / files.events, os.O_RDONLY | os.O_CLOEXEC))
            self._signals_above = self._signals_of(path.parent, above)

    def _signals_of(self, path: Path, events: int) -> int:
        """Return a new eventfd that version 1 signals when the cgroup at ``path`` is out of memory."""
        signals = self._closed_at_end(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        (path / "cgroup.event_control").write_text(f"{signals} {events}")
        return signals

    def _run(self) -> None:
        while self._read() and not self._stopped.is_set():
            woken = [self._acknowledge(one) for one, _ in self._poller.poll(READ_EVERY_S * 1000)]
            if any(woken):
                self._follow()
        if not self._stopped.is_set():
            self._add_unread_kill()

    def _acknowledge(self, descriptor: int) -> bool:
        """Read what woke us, so that it does so again, and return whether a kill may follow."""
        try:
            if descriptor == self._events:
                before, self._seen = self._seen, _of_note(os.pread(descriptor, 4096, 0))
                return self._seen != before
            if descriptor == self._signals:
                with self._lock:
                    self._take_signals()
            else:
                self._poller.unregister(descriptor)  # the end of a process comes once
        except OSError:  # a file of a cgroup that is gone
            self._poller.unregister(descriptor)
        return True

    def _take_signals(self) -> int:
        """Return how often version 1 has signalled since the last reading."""
        self._signalled += _taken(self._signals)
        self._signalled_above += _taken(self._signals_above)
        return self._signalled

    def _follow(self) -> None:
        """Read often, until the cgroup is gone or nothing more is to be expected."""
        until_s = time.monotonic() + FOLLOW_S
        while self._read() and not self._stopped.is_set() and time.monotonic() < until_s:
            self._sleep(FOLLOW_EVERY_S)

    def _read(self) -> bool:
        """Read the counters; return whether the cgroup is still there."""
        with self._lock:
            signalled = self._take_signals()
            found, latest = self._read_now(), self._latest
            if found.oom_kills is not None:
                self._signalled -= signalled
                self._signalled_above = 0
            self._latest = Counters(
                peak_bytes=_highest(latest.peak_bytes, found.peak_bytes),
                oom_kills=_highest(latest.oom_kills, found.oom_kills),
                oomd_kills=_highest(latest.oomd_kills, found.oomd_kills),
                met_limit=_highest(latest.met_limit, found.met_limit),
                ooms=_highest(latest.ooms, found.ooms),
            )
        return found.oom_kills is not None

    def _add_unread_kill(self) -> None:
        """Count the kill that the cgroup took with it: out of memory by its limit, its charge had reached that."""
        if self._signals is None:
            return
        with self._lock:
            if self._take_signals() == 1:  # of a kill, or of the removal
                signals = select.poll()
                signals.register(self._signals, select.POLLIN)
                signals.poll(SIGNAL_S * 1000)
            if self._take_signals() > 1:
                kills = (self._latest.oom_kills or 0) + 1
                self._latest = replace(self._latest, oom_kills=kills)
                if self._signals_above is not None and not self._signalled_above:
                    self._latest = replace(self._latest, peak_bytes=self._limit_bytes, met_limit=True, ooms=1)


def _taken(signals: int | None) -> int:
    """Return how often an eventfd was signalled since this was last called."""
    if signals is not None:
        with suppress(BlockingIOError):
            return os.eventfd_read(signals)
    return 0


def _of_note(events: bytes) -> frozenset[bytes]:
    """Return the lines of memory.events that a kill changes: those of reclaim change all the time near the limit."""
    return frozenset(line for line in events.splitlines() if line.split(b" ")[0] not in RECLAIM)


def _highest(first: Count | None, second: Count | None) -> Count | None:
    return max((one for one in (first, second) if one is not None), default=None)
