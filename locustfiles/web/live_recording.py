"""Follows a run directory while the run goes on: readings, load, events and the verdict so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from locustfiles.web.lives import LivesSoFar
from locustfiles.web.series import Series
from soak import contract
from soak.contract.tail import CsvRow, CsvTail, cell_number
from soak.regular_files import read_json

SUMMED: Final = {
    "rss": "rss_bytes",
    "uss": "uss_bytes",
    "blocks": "live_blocks",
    "tasks": "tasks_alive",
    "sessions": "sessions_open",
}
"""Names on the page and their columns of samples.csv, which are summed over the processes of an arm."""
READING_NAMES: Final = ("t", "life", *SUMMED)
REQUEST_NAMES: Final = ("t", "ok", "failed", "p50", "p99")
MOST_PHASES: Final = 500
"""Number of phases that are kept."""


@dataclass(frozen=True, slots=True)
class LiveProcess:
    """One process of an arm in the newest tick; None for what was not read."""

    life: int
    pid: int | None
    rss_bytes: float | None


@dataclass
class LiveArm:
    """The recording of one arm so far."""

    readings: Series = field(default_factory=lambda: Series(READING_NAMES))
    requests: Series = field(default_factory=lambda: Series(REQUEST_NAMES))
    lives: LivesSoFar = field(default_factory=LivesSoFar)
    now: dict[str, float | None] = field(default_factory=dict)
    """The newest reading by name on the page; None where it was never read in this life, empty while it is down."""
    per_s: dict[str, float | None] = field(default_factory=dict)
    """The newest second of load by name in REQUEST_NAMES."""
    processes: tuple[LiveProcess, ...] = ()
    """Its processes, the oldest first, where the newest tick has several; else empty."""
    elsewhere: bool = False
    """Whether it runs elsewhere: how its processes end cannot be known."""


class LiveRecording:
    """Reads what is new in a run directory, a bounded part at a time."""

    def __init__(self, directory: Path, arms: Mapping[str, str]) -> None:
        self.directory = directory
        self.arms = {arm: LiveArm() for arm in arms}
        self.phases: list[tuple[float, str]] = []
        """Start (``t_s``) and name of each phase."""
        self.live: contract.Live | None = None
        """The verdict so far; None before the first of a load."""
        self._events = CsvTail(directory / contract.EVENTS)
        self._samples = {arm: CsvTail(directory / arm / contract.SAMPLES) for arm in arms}
        self._loads = {arm: CsvTail(directory / arm / contract.REQUESTS) for arm in arms}
        self._ticks: dict[str, list[CsvRow]] = {arm: [] for arm in arms}
        """Rows of the newest tick of each arm, maybe not all yet: an arm's processes share its ``t_s``."""
        self._live_stamp: tuple[int, int] = (0, 0)
        self._sums = {arm: contract.ProcessSums() for arm in arms}
        self.limit_bytes: float | None = None
        """Memory limit of each arm that is started, bytes; None without a limit, or before it is known."""
        self._knows_arms = False

    def read_new(self) -> None:
        """Read what was recorded since the last call."""
        if not self._knows_arms:
            self._read_arms()
        for row in self._events.new_rows():
            self._take_event(row)
        for arm, tail in self._samples.items():
            for row in tail.new_rows():
                self._take_sample(arm, row)
        for arm, tail in self._loads.items():
            for row in tail.new_rows():
                self._take_load(arm, row)
        self._read_verdict()

    @property
    def phase(self) -> str:
        """The current phase; empty before the first."""
        return self.phases[-1][1] if self.phases else ""

    def live_of(self, arm: str) -> contract.ArmLive:
        """Return the verdict so far on an arm; one of empty texts before the first."""
        return (self.live.arms if self.live else {}).get(arm) or contract.ArmLive("", "")

    @property
    def has_report(self) -> bool:
        """Whether the run has a report of its newest load; from the start of a load on there is only that before it."""
        return self.phase == contract.IDLE and (self.directory / contract.REPORT / "report.html").is_file()

    def _read_arms(self) -> None:
        try:
            known = {one["name"]: one for one in read_json(self.directory / contract.MANIFEST)["arms"]}
        except (OSError, ValueError, KeyError, TypeError):  # not written yet
            return
        self._knows_arms = True
        for name, arm in self.arms.items():
            facts = known.get(name, {})
            arm.elsewhere = bool(facts.get("url"))
            self.limit_bytes = facts.get("memory_limit_bytes") or self.limit_bytes

    def _take_event(self, row: CsvRow) -> None:
        t_s = cell_number(row, "t_s")
        if t_s is None:
            return
        if row.get("event") == "phase":
            self.phases.append((t_s, row.get("detail", "")))
            del self.phases[:-MOST_PHASES]
        elif (arm := self.arms.get(row.get("arm", ""))) is not None:
            arm.lives.take(t_s, row)
            if arm.lives.is_down:
                arm.now, arm.processes = {}, ()

    def _take_sample(self, arm: str, row: CsvRow) -> None:
        tick = self._ticks[arm]
        if tick and row.get("t_s") != tick[0].get("t_s"):
            self._end_tick(arm)
        self._ticks[arm].append(row)

    def _end_tick(self, arm: str) -> None:
        tick, self._ticks[arm] = self._ticks[arm], []
        t_s = cell_number(tick[0], "t_s")
        if t_s is None:
            return
        life = cell_number(tick[0], "life")
        found = {name: self._sum(arm, tick, column) for name, column in SUMMED.items()}
        one = self.arms[arm]
        one.readings.add([t_s, life, *found.values()])
        if life is not None and life <= one.lives.over:  # its end is known already
            return
        one.processes = _processes(tick) if len(tick) > 1 else ()
        before = one.now if one.now.get("life") == life else {}
        one.now = {"t": t_s, "life": life} | {
            name: before.get(name) if value is None else value for name, value in found.items()
        }

    def _sum(self, arm: str, tick: list[CsvRow], column: str) -> float | None:
        """Return the sum over the arm's processes; None where it is unknown."""
        return self._sums[arm].add(column, {row.get("life", ""): cell_number(row, column) for row in tick})

    def _take_load(self, arm: str, row: CsvRow) -> None:
        failed = [cell_number(row, f"failed_{kind}") or 0.0 for kind in contract.FAILURE_KINDS]
        second = {
            "t": cell_number(row, "t_s"),
            "ok": cell_number(row, "ok"),
            "failed": sum(failed) + (cell_number(row, "missed") or 0.0),
            "p50": cell_number(row, "latency_p50_ms"),
            "p99": cell_number(row, "latency_p99_ms"),
        }
        if second["t"] is not None:
            self.arms[arm].requests.add(list(second.values()))
            self.arms[arm].per_s = second

    def _read_verdict(self) -> None:
        path = self.directory / contract.LIVE
        try:
            status = path.stat()
        except FileNotFoundError:  # none yet, or the run has withdrawn it: a load began, or its judge died
            self.live, self._live_stamp = None, (0, 0)
            return
        except OSError:  # a later look may succeed
            return
        stamp = (status.st_mtime_ns, status.st_ino)
        if stamp != self._live_stamp:
            self._live_stamp = stamp
            self.live = contract.read_live(path) or self.live


def _processes(tick: list[CsvRow]) -> tuple[LiveProcess, ...]:
    found = []
    for row in tick:
        life, pid = cell_number(row, "life"), cell_number(row, "pid")
        if life is not None:
            found.append(
                LiveProcess(int(life), None if pid is None else int(pid), cell_number(row, "rss_bytes"))
            )
    return tuple(sorted(found, key=lambda one: one.life))
