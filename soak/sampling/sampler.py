"""The sampler: a row per tick of each process of an arm, from outside by /proc, from inside by the probe."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from soak.contract import LOAD, POINT
from soak.contract.clock import RunClock
from soak.heap.model import HeapSuspect
from soak.process.procfs import rss_bytes
from soak.recording.csv_writer import CsvWriter, Row
from soak.recording.events import EventLog
from soak.sampling.injector import Injector
from soak.sampling.naming import Naming
from soak.sampling.outside import read_outside
from soak.sampling.probe_answers import ProbeError
from soak.sampling.probe_rows import name_holders
from soak.sampling.replies import Reply, ask_all, unasked
from soak.sampling.target import Target
from soak.sampling.ticks import SlowReadings, Ticks

PROBE_TIMEOUT_S = 0.5
"""Time for an answer of the probe to a question of an ordinary row, seconds."""
ROW_SHARE = 0.8
"""Share of the time between two rows in which the probes answer for a row: the next one is not late for it."""
REST_SHARE = 0.15
"""Share of the time between two rows that is left for an answer after a wait for a quiesce point."""
FIRST_TIMEOUT_S = 2.0
"""Time for the first answer of each probe, before the first tick, seconds: for it a probe imports its modules."""
EXACT_TIMEOUT_S = 30.0
"""Time for an answer of the probe that walks the whole heap, seconds."""
MIB = 1 << 20
SMAPS_SHARE = 0.01
"""Most processor time that an arm's readings of smaps take, share of a core: ten arms leave it to their targets."""
HEAP_SHARE = 0.005
"""Most time for which a target is held up by the figures of its allocators, as a share: less than its p99 shows."""
MOST_HEAP_TICKS = 10
"""Ticks from one reading of these figures to the next, at most: memory in use is known by them alone."""
NAMING_TIMEOUT_S = 10.0
"""Time for the probes to name holders at a quiesce point, seconds: death is near, so it may outlast the pause."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """One process, read but not yet written."""

    target: Target
    whose: str
    """Appended to the name of what was missed in it; "" for the arm's own process."""
    row: Row
    problems: Mapping[str, str | None]
    """What is wrong with each reading; None for nothing."""


class Sampler(Ticks):
    """Samples the processes of an arm on this machine. ``tick`` makes a row of each."""

    def __init__(
        self,
        arm: str,
        clock: RunClock,
        events: EventLog,
        samples: CsvWriter,
        *,
        every_s: float,
        smaps_every_s: float,
        holders: CsvWriter | None = None,
        naming: Naming | None = None,
        injector: Injector | None = None,
    ) -> None:
        super().__init__(arm, clock, events, samples, every_s=every_s)

        def report(detail: str) -> None:
            events.record("sampled_less", detail, arm=arm)

        self._smaps = SlowReadings("USS, PSS and limits", smaps_every_s, SMAPS_SHARE, every_s, report)
        self._heap = SlowReadings(
            "the figures of the allocators",
            every_s,
            HEAP_SHARE,
            every_s,
            report,
            most_s=MOST_HEAP_TICKS * every_s,
        )
        self._lock = threading.Lock()
        """Held while a row is read from outside and written: rows are in order of time."""
        self._probing = threading.Lock()
        """Held while probes are asked for a row."""
        self.targets: tuple[Target, ...] = ()
        """The arm's own process, then those below it; none while it is down."""
        self.suspects: dict[int, tuple[HeapSuspect, ...]] = {}
        """What grew in the last censuses under load, by pid."""
        self.census_cells: dict[int, Row] = {}
        """What the newest census read for a row, by pid, until a row has it; the probe's cells come first."""
        self._holders = holders
        self._naming = naming or Naming()
        self.injector = injector
        """Injects the leak of the copy of the candidate; None in every other arm."""
        self._incremental = False

    def _get_ready(self) -> None:
        """Have each probe answer once, unrecorded: for its first answer it imports its modules."""
        with self._probing:
            until_s = self._clock.now_s() + FIRST_TIMEOUT_S
            ask_all(self.targets, self._clock, lambda: self._left_s(until_s))

    def tick(self, rung: str = "", *, exact: bool = False) -> tuple[Row, ...]:
        """Write one row of each process of the arm, all of one ``t_s``, and return them; none when it is down.

        What a probe has not answered by ROW_SHARE of the time to the next row is a counted gap. ``exact`` waits for
        readings whose cost grows with the heap: only while nothing is loaded.
        """
        targets = self.targets
        timeout_s = EXACT_TIMEOUT_S if exact else ROW_SHARE * self._every_s
        by_s = self._clock.now_s() + timeout_s
        if self._probing.acquire(timeout=timeout_s):
            try:
                by_s = max(by_s, self._clock.now_s() + REST_SHARE * self._every_s)
                self._inject(targets, by_s)
                replies = self._ask(targets, by_s, exact=exact)
            finally:
                self._probing.release()
        else:
            replies = unasked(targets)
        with self._lock:
            return self._write(self._read(rung, replies))

    def point(self, by_s: float, is_rehearsal: bool = False) -> None:
        """Collect and write one row of rung POINT for each process of the arm, while the load pauses until ``by_s``.

        What is not read by then (``t_s``) is a counted gap: it would not be settled. A process without a probe is
        read from outside. Then holders are named, if it is time for that, or that is rehearsed. May be called in a
        thread; an error of our own waits in ``failure``.
        """
        with self._failure_kept():
            try:
                replies = self._settle(by_s)
                with self._lock:
                    readings = self._read(POINT, replies)
                    if readings:
                        self._time_left_s(by_s)
                    self.gaps.read("point")
                    self._write(readings)
            except ProbeError as error:
                self.gaps.missed(
                    "point", f"not settled within the pause ({error}); raise sampling.quiesce_pause_s"
                )
        with self._failure_kept():
            self._name_at_point(is_rehearsal=is_rehearsal)

    def _name_at_point(self, *, is_rehearsal: bool) -> None:
        targets, newest = self.targets, self.latest
        if not targets or (charged := charged_bytes(newest)) is None:
            return
        self._naming.add_point(targets[0].life, self._clock.now_s(), charged)
        if self.phase == LOAD:  # too late on a busy machine: its memory would look like a leak
            is_rehearsal = False
        until_s = self._clock.now_s() + NAMING_TIMEOUT_S
        for target in targets:
            suspects = self.suspects.get(target.pid, ())
            chosen = self._naming.choose(target.pid, suspects, is_rehearsal=is_rehearsal)
            before = rss_bytes(target.pid)
            for suspect, row in zip(
                chosen, self._name(target, chosen, POINT, self._left_s(until_s)), strict=False
            ):
                self._naming.answered(target.pid, suspect, found=bool(row["holder"] or row["entries"]))
            after = rss_bytes(target.pid)
            if is_rehearsal and chosen and before is not None and after is not None:
                detail = f"resident memory from {before / MIB:.1f} to {after / MIB:.1f} MiB"
                self._events.record("rehearsed", detail, arm=self.arm, life=target.life, pid=target.pid)

    def name_holders(self, rung: str, timeout_s: float) -> None:
        """Have the probes name within ``timeout_s`` seconds what holds each suspect, and record it."""
        until_s = self._clock.now_s() + timeout_s
        for target in self.targets:
            self._name(target, self.suspects.get(target.pid, ()), rung, self._left_s(until_s))

    def _name(
        self, target: Target, suspects: Sequence[HeapSuspect], rung: str, timeout_s: float
    ) -> list[Row]:
        """Record and return what the probe of a process answers about suspects; nothing where it does not answer."""
        if self._holders is None or not suspects or not target.probed or timeout_s <= 0:
            return []
        began: Row = {"t_s": self._clock.now_s(), "arm": self.arm, "pid": target.pid, "life": target.life,
                      "phase": self.phase, "rung": rung}  # fmt: skip
        try:
            rows = name_holders(target, suspects, timeout_s)
        except ProbeError as error:
            self.gaps.missed("holders", str(error))
            return []
        self.gaps.read("holders")
        self._holders.write_all({**began, **row} for row in rows)
        return rows

    def _left_s(self, until_s: float) -> float:
        return max(0.0, until_s - self._clock.now_s())

    def _time_left_s(self, by_s: float) -> float:
        if (left_s := self._left_s(by_s)) <= 0:
            raise ProbeError("it is late")
        return left_s

    def _settle(self, by_s: float) -> list[Reply]:
        """Collect and ask all probes; raises ProbeError when that takes longer than ``by_s`` or one fails."""
        if not (targets := self.targets):
            return []
        if not self._probing.acquire(timeout=self._time_left_s(by_s)):
            raise ProbeError("it is late")
        try:
            for target in targets:
                if target.probed:
                    self._collect(target, self._time_left_s(by_s))
            self._inject(targets, by_s)
            self._time_left_s(by_s)
            replies = self._ask(targets, by_s, exact=True)
        finally:
            self._probing.release()
        for reply in replies:
            problem = reply.problems.get("probe")
            if reply.target.probed and problem and rss_bytes(reply.target.pid) is not None:
                raise ProbeError(problem)
        return replies

    @staticmethod
    def _collect(target: Target, timeout_s: float) -> None:
        try:
            target.ask("collect", timeout_s, if_enabled=True)
        except ProbeError:
            # a process that is dead or dying ends: no reading is missed
            if rss_bytes(target.pid) is not None:
                raise

    def _ask(self, targets: Sequence[Target], by_s: float, *, exact: bool) -> list[Reply]:
        """Ask for a row, the figures of the allocators in it where they are due; all of them where it is exact."""
        # what a census saw is held against them
        seen = any(target.pid in self.census_cells for target in targets)
        heap = exact or seen or self._heap.due(by_s)
        replies = ask_all(
            targets, self._clock, lambda: self._timeout_s(by_s, exact=exact), exact=exact, heap=heap
        )
        if heap and not exact:  # a rung's own reading leaves the ordinary ones their rhythm
            longest_s = max((reply.heap_s or 0.0 for reply in replies), default=0.0)
            self._heap.took(by_s, longest_s)
        return replies

    def _timeout_s(self, by_s: float, *, exact: bool) -> float:
        left_s = self._left_s(by_s)
        return left_s if exact else min(PROBE_TIMEOUT_S, left_s)

    def _read(self, rung: str, replies: Sequence[Reply]) -> list[_Reading]:
        """Read each process from outside, now that its probe has answered or will not.

        The probe comes first: what its answer touches, the first one's imports above all, is then in both readings.
        Nothing that is read from outside can come from an answer.
        """
        if not replies:
            return []
        t_s = self._next_t_s()
        smaps, began_s = bool(rung) or self._smaps.due(t_s), time.thread_time()
        outside = [read_outside(reply.target.pid, smaps=smaps) for reply in replies]
        if smaps and not rung:
            self._smaps.took(t_s, time.thread_time() - began_s)
        main = replies[0].target
        usage = main.limit.usage()
        shared: Row = {
            "t_s": t_s,
            "wall_time": self._clock.wall_time(),
            "arm": self.arm,
            "phase": self.phase,
            "rung": rung,
            "cgroup_bytes": usage.charged_bytes,
            "cgroup_shmem_bytes": usage.shmem_bytes,
            "cgroup_kernel_bytes": usage.kernel_bytes,
            "cgroup_file_bytes": usage.file_bytes,
        }
        readings = []
        for reply, (sizes, unread) in zip(replies, outside, strict=True):
            target = reply.target
            waits = bool(rung) or reply.heap_s is None
            seen = {} if waits else self.census_cells.pop(target.pid, {})
            row = {**seen, **reply.cells, **sizes, **shared, "pid": target.pid, "life": target.life}
            problems = {**reply.problems, **unread}
            if target is main:
                problems = {"limit": usage.problem, **problems}
            if rss_bytes(target.pid) is not None:  # one that is dead or dying ends: no reading is missed
                whose = "" if target is main else f" of pid {target.pid}"
                readings.append(_Reading(target, whose, row, problems))
        return readings

    def _inject(self, targets: Sequence[Target], by_s: float) -> None:
        """Inject what the load has leaked by now; a failure is a counted gap."""
        if self.injector is None:
            return
        try:
            self.injector.follow(
                targets, self.phase, self._clock.now_s(), lambda: self._timeout_s(by_s, exact=False)
            )
        except ProbeError as error:
            self.gaps.missed("inject", str(error).removeprefix("probe: inject: "))
        else:
            self.gaps.read("inject")

    def note_incremental_collector(self, release: str) -> None:
        """Record once that the arm's Python, ``release``, frees reference cycles late."""
        if not self._incremental:
            self._incremental = True
            self._events.record("incremental_collector", f"CPython {release}", arm=self.arm)

    def _write(self, readings: Sequence[_Reading]) -> tuple[Row, ...]:
        for reading in readings:
            for name, problem in reading.problems.items():
                if problem is not None:
                    self.gaps.missed(name, problem, whose=reading.whose)
                else:
                    self.gaps.read(name, reading.whose)
            self._samples.write(reading.row)
        self.gaps.keep_only({reading.whose for reading in readings})
        if rows := tuple(reading.row for reading in readings):
            self.latest = self._arm_row.join(rows)
        return rows


def charged_bytes(row: Mapping[str, Any]) -> float | None:
    """Return what is charged to an arm's limit less file cache, which is given back; RSS where nothing is charged."""
    charged: float | None = row.get("cgroup_bytes")
    return row.get("rss_bytes") if charged is None else charged - (row.get("cgroup_file_bytes") or 0)
