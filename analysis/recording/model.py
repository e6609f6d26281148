"""A run directory as data: phases, arms, their lives, samples and requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.recording.heap_files import HeapFiles
from analysis.recording.latency import Latency
from analysis.recording.manifest import Manifest
from analysis.recording.replay import ReplayFiles
from analysis.recording.sent_by_name import SentByName
from soak.contract import IDLE, LOAD, OOM_KILLERS, compared_arms
from soak.contract.hashes import NO_HASHES, HashCheck


def within(rows: pd.DataFrame, start_s: float, end_s: float) -> pd.DataFrame:
    """Return the rows from ``start_s`` to ``end_s``, both included; rows in order of ``t_s`` are not copied."""
    t_s = rows["t_s"]
    if not t_s.is_monotonic_increasing:
        return rows[t_s.between(start_s, end_s)]
    first, behind = t_s.searchsorted(start_s, "left"), t_s.searchsorted(end_s, "right")
    return rows.iloc[int(first) : int(behind)]


def chosen(rows: pd.DataFrame, wanted: pd.Series[bool]) -> pd.DataFrame:
    """Return the rows that are wanted; those that follow one another, as days of them do, are not copied."""
    places = np.flatnonzero(wanted)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return rows.iloc[places[0] : places[-1] + 1]
    return rows.iloc[places]


def sides(arms: tuple[Arm, ...]) -> tuple[Arm | None, Arm | None]:
    """Return the arms to compare: by their role; one or two without roles are taken in the manifest's order."""
    by_name: dict[str | None, Arm] = {arm.name: arm for arm in arms}
    before, after = compared_arms({arm.name: arm.role for arm in arms})
    return by_name.get(before), by_name.get(after)


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of the run, seconds since its start."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Life:
    """One process of an arm between start and death, seconds since the run's start."""

    number: int
    pid: int | None
    start_s: float
    ready_s: float | None
    """The moment of its first answer; None when it never answered."""
    end_s: float
    """Its death, or the last thing recorded when no death is."""
    ended_by: str | None
    """``by`` of its exit event; None when no exit is recorded."""

    @property
    def died(self) -> bool:
        """Whether it ended without the run having asked for it."""
        return self.ended_by not in (None, "soak")

    @property
    def oom_killed(self) -> bool:
        """Whether it was ended for its memory."""
        return self.ended_by in OOM_KILLERS


@dataclass(frozen=True, slots=True)
class UnclaimedKills:
    """Kills by the kernel among the processes of an arm that are the end of no life by its memory limit."""

    not_by_limit: int = 0
    """In lives that had not met their limit: that of a cgroup above them, or the machine's memory, had run out."""
    of_no_life: int = 0
    """Of processes that were no life: younger than two seconds, beyond the first 64, or as the run ended their arm."""
    for_unknown: int = 0
    """In lives of which it is not known whether they had met their limit."""


@dataclass(frozen=True, slots=True)
class Arm:
    """The recording of one target build."""

    name: str
    role: str
    limit_bytes: int | None
    lives: tuple[Life, ...]
    """The processes in order; of an arm with several at a time, the stretches in which they stay the same: their
    readings are sums."""
    samples: pd.DataFrame
    """Rows of samples.csv since the life was ready, without those of the ladder and of the points; gauges without a
    column of their own have one here, and so have the columns of ``accounting``."""
    ladder: pd.DataFrame
    """The rows of the quiesce ladder, one a rung; a target that stopped answering has fewer."""
    points: pd.DataFrame
    """The rows of the quiesce points, all lives in order; none where the profile asks for none."""
    requests: pd.DataFrame
    latency: Latency
    notes: tuple[str, ...]
    """Sentences on its other events: readings that were missed, and that it was not restarted."""
    processes: tuple[Life, ...] = ()
    """The lives of its processes, where several were alive at a time; else ``lives`` are they."""
    by_process: pd.DataFrame = field(default_factory=pd.DataFrame)
    """The rows that ``samples`` are the sums of, ``life`` the number in ``processes``; empty where one process was
    alive at a time."""
    heap: HeapFiles = field(default_factory=HeapFiles)
    """The heap files; empty where they were not asked for."""
    replay: ReplayFiles = field(default_factory=ReplayFiles)
    """Points and sites of its replay; empty where it was not replayed, or they were not asked for."""
    build: str | None = None
    """The git revision of its directory, or the id of its image; None where neither is known."""
    url: str = ""
    """Where it ran, where it ran elsewhere: all its readings are its own word; "" of every other arm."""
    sent: SentByName = field(default_factory=SentByName)
    """The requests it was sent by name, where the mix rotated."""
    incremental_collector: str = ""
    """Its Python, where that is CPython 3.14.0 to 3.14.4, which frees reference cycles late; else empty."""
    unclaimed_kills: UnclaimedKills = UnclaimedKills()

    def readings(self, column: str) -> pd.DataFrame:
        """Return the rows of ``samples`` that have a reading of ``column``; where none has, those of ``points``.

        What only a pause can count is read at quiesce points alone: on CPython 3.14 and later finished tasks.
        """
        for rows in (self.samples, self.points):
            if column in rows and (known := rows[column].notna()).any():
                return rows if known.all() else rows[known]
        return self.samples.iloc[:0].reindex(
            columns=[*self.samples.columns.drop(column, errors="ignore"), column]
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """A part of a recording that was not readable, or was not recorded."""

    arm: str | None
    """The arm whose part it is; None for the whole run."""
    text: str
    """A clause, without the arm: ``samples.csv is empty``."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A run directory, read."""

    directory: Path
    manifest: Manifest
    phases: tuple[Phase, ...]
    arms: tuple[Arm, ...]
    gaps: tuple[Gap, ...]
    copy: Arm | None = None
    """The copy of the candidate into which a leak was injected, which is none of ``arms``; None without one."""
    hashes: HashCheck = NO_HASHES
    """The files, compared with SHA256SUMS; empty where they were not asked for."""
    load_ended: bool = False
    """Whether the load that is judged is whole, though the run may go on."""
    stopped_early: str = ""
    """Why the run ended its load before the plan did, because a gate was certain to fail; empty where it did not."""

    def phase(self, name: str) -> Phase | None:
        """Return the phase of that name, None when the run did not get there."""
        return next((phase for phase in self.phases if phase.name == name), None)

    @property
    def load(self) -> Phase | None:
        """The phase whose start is hour 0; of a run led by hand, the newest load."""
        return last_load(self.phases)

    @property
    def idle(self) -> Phase | None:
        """The phase before any request."""
        return self.phase(IDLE)

    def hours(self, t_s: float) -> float:
        """Return ``t_s`` as hours of the incident since hour 0; raises ValueError when there was no load."""
        if self.load is None:
            raise ValueError("no hour 0: the run has no load phase")
        return (t_s - self.load.start_s) / self.manifest.hour_s


def last_load(phases: tuple[Phase, ...]) -> Phase | None:
    """Return the newest phase of that name, None when there was none."""
    return next((phase for phase in reversed(phases) if phase.name == LOAD), None)
