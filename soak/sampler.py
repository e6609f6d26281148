"""The sampler: one row per second and arm, from outside by /proc and the limit, from inside by the probe."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from soak.contract import DRAIN, IDLE, QUIESCE, SAMPLE_COLUMNS, names
from soak.errors import HarnessError, SoakError
from soak.limit import LifeLimit
from soak.probe_client import ProbeClient, ProbeError
from soak.procfs import count_fds, read_smaps, read_stat, rss_bytes
from soak.recording import CsvRecorder, EventLog, RunClock

PROBE_TIMEOUT_S = 0.5
CENSUS_TIMEOUT_S = 30.0
UNLOADED = frozenset({IDLE, DRAIN, QUIESCE})
"""Phases in which a reading may pause the target."""

_SAMPLE_NAMES = frozenset(names(SAMPLE_COLUMNS))

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class Target:
    """The process that an arm is at the moment."""

    arm: str
    pid: int
    life: int
    limit: LifeLimit
    probe: ProbeClient


class Gaps:
    """Counts missed readings, and tells when a run of them begins and ends, not each one."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._missing: Counter[str] = Counter()
        self.total: Counter[str] = Counter()

    def missed(self, reading: str, why: str, count: int = 1) -> None:
        """``count`` readings were missed."""
        if not self._missing[reading]:
            self._tell(f"{reading}: {why}")
        self._missing[reading] += count
        self.total[reading] += count

    def read(self, reading: str) -> None:
        """The reading worked."""
        if count := self._missing.pop(reading, 0):
            self._tell(f"{reading}: back after {count} missed")


class Sampler:
    """Samples one arm. ``tick`` makes one row; ``run`` calls it on drift-free ticks until told to stop."""

    def __init__(
        self,
        arm: str,
        clock: RunClock,
        events: EventLog,
        samples: CsvRecorder,
        census: CsvRecorder,
        *,
        every_s: float,
        smaps_every_s: float,
    ) -> None:
        self._arm = arm
        self._clock = clock
        self._samples = samples
        self._census = census
        self._every_s = every_s
        self._smaps_every_s = smaps_every_s
        self._next_smaps_s = 0.0
        self._lock = threading.Lock()
        self.target: Target | None = None
        self.phase = IDLE
        self.latest: Mapping[str, object] = {}
        self.failure: SoakError | None = None
        self.gaps = Gaps(lambda detail: events.record("gap", detail, arm=arm))

    def run(self, stop: threading.Event) -> None:
        """Tick until ``stop``; an error of our own ends the sampling and waits in ``failure``."""
        due = self._clock.t()
        while not stop.wait(max(0.0, due - self._clock.t())):
            try:
                self.tick()
                due = self._next_due(due)
            except SoakError as error:
                self.failure = error
                return
            except Exception as error:  # noqa: BLE001 - a defect must end the run, not this thread in silence
                self.failure = HarnessError(
                    f"the sampler of {self._arm} failed: {type(error).__name__}: {error}"
                )
                return

    def tick(self, rung: str = "", *, exact: bool = False) -> Row | None:
        """Write one row of the present target; None when there is no process.

        ``exact`` asks for readings whose cost grows with the heap: only while nothing is loaded.
        """
        with self._lock:
            target = self.target
            if target is None:
                return None
            t_s = self._clock.t()
            row: Row = {
                "t_s": t_s,
                "wall_time": self._clock.wall(),
                "arm": target.arm,
                "pid": target.pid,
                "life": target.life,
                "phase": self.phase,
                "rung": rung,
            }
            outcomes = {
                **self._read_outside(target, row, t_s=t_s, rung=rung),
                **self._read_probe(target, row, exact=exact or self.phase in UNLOADED),
            }
            if rss_bytes(target.pid) is None:
                return None  # it is dead or dying: its exit is an event, not a missed reading
            for reading, problem in outcomes.items():
                if problem:
                    self.gaps.missed(reading, problem)
                else:
                    self.gaps.read(reading)
            self._samples.write(row)
            self.latest = row
            return row

    def take_census(self, rung: str = "") -> None:
        """Write the census of the present target; a target without a probe has none."""
        target = self.target
        if target is None or not target.probe.exists:
            return
        try:
            types = target.probe.ask("census", CENSUS_TIMEOUT_S)["types"]
        except ProbeError as error:
            self.gaps.missed("census", str(error))
            return
        self.gaps.read("census")
        shared = {"t_s": self._clock.t(), "arm": target.arm, "pid": target.pid, "life": target.life,
                  "phase": self.phase, "rung": rung}  # fmt: skip
        for name, objects in types:
            self._census.write({**shared, "type": name, "objects": objects})

    def _next_due(self, due: float) -> float:
        """Return the next tick on the grid; ticks that passed while we read are a counted gap."""
        late = int((self._clock.t() - due) / self._every_s)
        if late:
            self.gaps.missed("tick", f"reading took {self._clock.t() - due:.1f} s", late)
        else:
            self.gaps.read("tick")
        return due + (late + 1) * self._every_s

    def _read_outside(self, target: Target, row: Row, *, t_s: float, rung: str) -> dict[str, str]:
        """Fill the row from /proc and the limit; return what is wrong with each reading, "" for nothing."""
        row["rss_bytes"] = rss_bytes(target.pid)
        row["fds"] = count_fds(target.pid)
        row["cgroup_bytes"] = target.limit.usage_bytes()
        if stat := read_stat(target.pid):
            row["cpu_s"], row["threads"] = stat.cpu_s, stat.threads
        expected = ["fds", "cpu_s"]
        if rung or t_s >= self._next_smaps_s:
            self._next_smaps_s = t_s + self._smaps_every_s - self._every_s / 2
            if smaps := read_smaps(target.pid):
                row["uss_bytes"], row["pss_bytes"] = smaps.uss_bytes, smaps.pss_bytes
            expected.append("uss_bytes")
        return {name: "not readable" if row.get(name) is None else "" for name in expected}

    def _read_probe(self, target: Target, row: Row, *, exact: bool) -> dict[str, str]:
        """Fill the row from the probe; return as above."""
        if not target.probe.exists:
            return {"probe": "none in this process; it is sampled from outside only"}
        began = self._clock.t()
        try:
            answer = target.probe.ask("sample", CENSUS_TIMEOUT_S if exact else PROBE_TIMEOUT_S, exact=exact)
        except ProbeError as error:
            return {"probe": str(error).removeprefix("probe: ")}
        row["probe_ms"] = (self._clock.t() - began) * 1000
        row.update(_cells(answer))
        return {"probe": ""}


def _cells(answer: Mapping[str, Any]) -> Row:
    """Pick the columns from a probe's answer; gauges without a column of their own share one."""
    read: Mapping[str, float] = answer.get("gauges") or {}
    gauges = {name: int(value) if value == int(value) else value for name, value in read.items()}
    cells: Row = {name: value for name, value in answer.items() if name in _SAMPLE_NAMES}
    for name in ("cache_entries", "history_entries"):
        cells[name] = gauges.pop(name, None)
    cells["other_gauges"] = gauges
    return cells
