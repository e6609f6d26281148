"""The sampler: a row per second of each process of an arm, from outside by /proc, from inside by the probe."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from soak.contract import DRAIN, IDLE, LOAD, POINT, QUIESCE, SAMPLE_COLUMNS, names
from soak.contract.clock import RunClock
from soak.errors import HarnessError, SoakError
from soak.heap.model import HeapSuspect
from soak.limit import threads_limit
from soak.process.libraries import foreign_allocators
from soak.process.procfs import count_fds, cpu_s, fds_limit, read_smaps, read_status, rss_bytes
from soak.recording.csv_writer import CsvWriter, Row
from soak.recording.events import EventLog
from soak.sampling.gaps import Gaps
from soak.sampling.holder_rows import name_holders
from soak.sampling.injector import Injector
from soak.sampling.naming import Naming
from soak.sampling.probe_client import ProbeError
from soak.sampling.row import ArmRow
from soak.sampling.target import Target

PROBE_TIMEOUT_S = 0.5
"""Time for an answer of the probe under load, seconds."""
EXACT_TIMEOUT_S = 30.0
"""Time for an answer of the probe that walks the whole heap, seconds."""
NAMING_TIMEOUT_S = 10.0
"""Time for the probe to name holders at a quiesce point, seconds: death is near, so it may outlast the pause."""
UNLOADED = frozenset({IDLE, DRAIN, QUIESCE})
"""Phases without requests, in which a reading may pause the target."""
_SAMPLE_NAMES = frozenset(names(SAMPLE_COLUMNS))


@dataclass(frozen=True, slots=True)
class _Reading:
    """One process, read but not yet written."""

    target: Target
    whose: str
    """Appended to the name of what was missed in it; "" for the arm's own process."""
    row: Row
    problems: Mapping[str, str | None]
    """What is wrong with each reading; None for nothing."""


class Sampler:
    """Samples one arm. ``tick`` makes a row of each process; ``run`` ticks on a grid that does not drift."""

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
        self.arm = arm
        self._clock = clock
        self._samples = samples
        self._every_s = every_s
        self._smaps_every_s = smaps_every_s
        self._next_smaps_s = 0.0
        self._lock = threading.Lock()
        self.targets: tuple[Target, ...] = ()
        """The arm's own process, then those below it; none while it is down."""
        self.phase = IDLE
        self.latest: Mapping[str, object] = {}
        self._arm_row = ArmRow()
        self.suspects: dict[int, tuple[HeapSuspect, ...]] = {}
        """What grew in the last censuses under load, by pid."""
        self._holders = holders
        self._naming = naming or Naming()
        self.injector = injector
        """Injects the leak of the copy of the candidate; None in every other arm."""
        self.failure: SoakError | None = None
        self.gaps = Gaps(lambda detail: events.record("gap", detail, arm=arm))

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop``; an error of our own ends the sampling and waits in ``failure``."""
        due = self._clock.now_s()
        while self.failure is None and not stop.wait(max(0.0, due - self._clock.now_s())):
            with self._failure_kept():
                self.tick()
                due = self.next_due(due)

    @contextmanager
    def _failure_kept(self) -> Iterator[None]:
        try:
            yield
        except SoakError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001 - a defect must end the run, not this thread in silence
            self.failure = HarnessError(f"the sampler of {self.arm} failed: {type(error).__name__}: {error}")

    def tick(self, rung: str = "", *, exact: bool = False) -> tuple[Row, ...]:
        """Write one row of each process of the arm, all of one ``t_s``, and return them; none when it is down.

        ``exact`` asks for readings whose cost grows with the heap: only while nothing is loaded.
        """
        with self._lock:
            exact = exact or self.phase in UNLOADED
            readings = self._read(rung, exact=exact, patience_s=EXACT_TIMEOUT_S if exact else PROBE_TIMEOUT_S)
            return self._write(readings)

    def point(self, by_s: float, is_rehearsal: bool = False) -> None:
        """Collect and write one row of rung POINT for each process of the arm, while the load pauses until ``by_s``.

        What is not read by then (``t_s``) is a counted gap: it would not be settled. A process without a probe is
        read from outside. Then holders are named, if it is time for that, or that is rehearsed. May be called in a
        thread; an error of our own waits in ``failure``.
        """
        with self._failure_kept(), self._lock:
            try:
                readings = self._read_settled(by_s)
            except ProbeError as error:
                self.gaps.missed(
                    "point", f"not settled within the pause ({error}); raise sampling.quiesce_pause_s"
                )
            else:
                self.gaps.read("point")
                self._write(readings)
        with self._failure_kept():
            self._name_at_point(is_rehearsal=is_rehearsal)

    def _name_at_point(self, *, is_rehearsal: bool) -> None:
        targets, newest = self.targets, self.latest
        if not targets or (charged_bytes := _charged_bytes(newest)) is None:
            return
        self._naming.add_point(targets[0].life, self._clock.now_s(), charged_bytes)
        if self.phase == LOAD:  # too late on a busy machine: its memory would look like a leak
            is_rehearsal = False
        for target in targets:
            suspects = self.suspects.get(target.pid, ())
            chosen = self._naming.choose(target.pid, suspects, is_rehearsal=is_rehearsal)
            for suspect, row in zip(
                chosen, self._name(target, chosen, POINT, NAMING_TIMEOUT_S), strict=False
            ):
                self._naming.answered(target.pid, suspect, found=bool(row["holder"] or row["entries"]))

    def name_holders(self, rung: str, timeout_s: float) -> None:
        """Have the probes name within ``timeout_s`` seconds what holds each suspect, and record it."""
        until_s = self._clock.now_s() + timeout_s
        for target in self.targets:
            self._name(target, self.suspects.get(target.pid, ()), rung, until_s - self._clock.now_s())

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

    def _read_settled(self, by_s: float) -> list[_Reading]:
        """Collect and read; raises ProbeError when that takes longer than ``by_s`` or a probe fails."""

        def left_s() -> float:
            if (left_s := by_s - self._clock.now_s()) <= 0:
                raise ProbeError("it is late")
            return left_s

        if not self.targets:
            return []
        for target in self.targets:
            if target.probed:
                try:
                    target.ask("collect", left_s(), if_enabled=True)
                except ProbeError:
                    if (
                        rss_bytes(target.pid) is not None
                    ):  # a process that is dead or dying ends: no reading is missed
                        raise
        readings = self._read(POINT, exact=True, patience_s=left_s())
        left_s()
        for reading in readings:
            if reading.target.probed and (problem := reading.problems["probe"]):
                raise ProbeError(problem)
        return readings

    def _read(self, rung: str, *, exact: bool, patience_s: float) -> list[_Reading]:
        """Read each process of the arm; ``patience_s`` is the time its probe has to answer."""
        targets = self.targets
        self._inject(targets, patience_s)
        if not targets:
            return []
        t_s = self._clock.now_s()
        smaps = bool(rung) or t_s >= self._next_smaps_s
        if smaps and not rung:  # a rung's own reading leaves the ordinary ones their rhythm
            self._next_smaps_s = t_s + self._smaps_every_s - self._every_s / 2
        usage = targets[0].limit.usage()
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
        for target in targets:
            row = {**shared, "pid": target.pid, "life": target.life}
            # The probe first: what its answer touches, the first one's imports above all, is then in both figures.
            of_probe = self._read_probe(target, row, exact=exact, patience_s=patience_s)
            problems = {
                **({"limit": usage.problem} if target is targets[0] else {}),
                **_read_outside(target.pid, row, smaps=smaps),
                **of_probe,
            }
            if (
                rss_bytes(target.pid) is not None
            ):  # a process that is dead or dying ends: no reading is missed
                readings.append(
                    _Reading(target, "" if target is targets[0] else f" of pid {target.pid}", row, problems)
                )
        return readings

    def _inject(self, targets: Sequence[Target], patience_s: float) -> None:
        """Inject what the load has leaked by now; a failure is a counted gap."""
        if self.injector is None:
            return
        try:
            self.injector.follow(targets, self.phase, self._clock.now_s(), patience_s)
        except ProbeError as error:
            self.gaps.missed("inject", str(error).removeprefix("probe: inject: "))
        else:
            self.gaps.read("inject")

    def _write(self, readings: Sequence[_Reading]) -> tuple[Row, ...]:
        for reading in readings:
            for name, problem in reading.problems.items():
                if problem is not None:
                    self.gaps.missed(f"{name}{reading.whose}", problem)
                else:
                    self.gaps.read(f"{name}{reading.whose}")
            self._samples.write(reading.row)
        rows = tuple(reading.row for reading in readings)
        if rows:
            self.latest = self._arm_row.join(rows)
        return rows

    def next_due(self, due: float) -> float:
        """Return the next tick on the grid; ticks that passed while we read are a counted gap."""
        late = int((self._clock.now_s() - due) / self._every_s)
        if late:
            self.gaps.missed("tick", f"reading took {self._clock.now_s() - due:.1f} s", late)
        else:
            self.gaps.read("tick")
        return due + (late + 1) * self._every_s

    def _read_probe(
        self, target: Target, row: Row, *, exact: bool, patience_s: float
    ) -> dict[str, str | None]:
        """Fill the row from the probe; return what is wrong with the reading, None for nothing."""
        if target.outside_only:
            return {}
        if not target.has_probe:
            return {"probe": "none in this process; it is sampled from outside only"}
        began = self._clock.now_s()
        try:
            answer = target.ask("sample", patience_s, exact=exact)
        except ProbeError as error:
            return {"probe": str(error).removeprefix("probe: ")}
        row["probe_ms"] = (self._clock.now_s() - began) * 1000
        row.update(_cells(answer))
        return {"probe": None, "malloc": None, **answer.get("problems", {})}


def _read_outside(pid: int, row: Row, *, smaps: bool) -> dict[str, str | None]:
    """Fill the row from /proc; return what is wrong with each reading, None for nothing."""
    row["rss_bytes"] = rss_bytes(pid)
    row["fds"] = count_fds(pid)
    row["cpu_s"] = cpu_s(pid)
    expected = ["fds", "cpu_s", "anon_bytes"]
    sizes = read_smaps(pid) if smaps else None
    if status := read_status(pid):
        row["threads"] = status.threads
        row["shmem_bytes"], row["file_bytes"] = status.shmem_bytes, status.file_bytes
        anon = status.anon_bytes if sizes is None else sizes.anon_bytes
        row["anon_bytes"] = None if anon is None else anon + status.swap_bytes
    if smaps:
        if sizes:
            row["uss_bytes"], row["pss_bytes"] = sizes.uss_bytes, sizes.pss_bytes
        row["fds_limit"], row["threads_limit"] = fds_limit(pid), threads_limit(pid)
        row["foreign_allocators"] = foreign_allocators(pid)
        expected.append("uss_bytes")
    return {name: "not readable" if row.get(name) is None else None for name in expected}


def _charged_bytes(row: Mapping[str, Any]) -> float | None:
    """Return what is charged to an arm's limit less file cache, which is given back; RSS where nothing is charged."""
    charged: float | None = row.get("cgroup_bytes")
    return row.get("rss_bytes") if charged is None else charged - (row.get("cgroup_file_bytes") or 0)


def _cells(answer: Mapping[str, Any]) -> Row:
    """Pick the columns from a probe's answer."""
    read: Mapping[str, float] = answer.get("gauges") or {}
    gauges = {name: int(value) if value == int(value) else value for name, value in read.items()}
    cells: Row = {name: value for name, value in answer.items() if name in _SAMPLE_NAMES}
    return {**cells, "gauges": gauges}
