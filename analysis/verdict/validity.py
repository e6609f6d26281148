"""Whether the planned load arrived and was watched: what else would make a comparison worthless."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import Final

import pandas as pd

from analysis.recording.model import Arm, Phase, Recording
from soak.contract import FAILURE_KINDS, LOAD

ARRIVED_AT_LEAST: Final = 0.99
"""Of the requests planned while the arm was alive."""
LOAD_TIME_AT_LEAST: Final = 0.99
"""Of the planned duration, for the load and for its record."""
TICKS_AT_LEAST: Final = 0.95
"""Of the ticks while an arm was alive and loaded, sampled; of its samples, answered by a probe that ever answered."""
ALIVE_AT_LEAST: Final = 0.9
"""Of the load; what was dead for longer has not been soaked."""
SILENT_S: Final = 10
"""A load of users who decide themselves has stopped when none of them has sent a request for so long."""
FAILED_AT_MOST: Final = 0.05
"""Of the requests sent while the arm was alive; beyond it the load may never have reached the code it is meant for."""


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """Requests of the phase load at one arm."""

    arm: str
    planned: int
    sent: int
    ok: int
    failed: dict[str, int]
    """By FAILURE_KINDS."""
    missed: int
    planned_alive: int
    """Planned for seconds in which the arm was alive."""
    sent_alive: int
    failed_alive: dict[str, int]
    """By FAILURE_KINDS, in the same seconds."""
    missed_dead: int
    """Missed in the other seconds"""

    @property
    def arrived(self) -> float | None:
        """Share of the requests planned for an arm alive that were sent; None when none were planned."""
        return self.sent_alive / self.planned_alive if self.planned_alive else None


def load_rows(arm: Arm, load: Phase | None) -> pd.DataFrame:
    """Return the rows of that load: seconds that it touches count to it."""
    during = (arm.requests["phase"] == LOAD) & (load is not None)
    if load is not None:
        during &= arm.requests["t_s"].between(load.start_s - 1, load.end_s)
    return arm.requests[during]


def load_summary(arm: Arm, load: Phase | None) -> LoadSummary:
    """Sum the rows of the load."""
    rows = load_rows(arm, load)
    alive = alive_seconds(arm, rows["t_s"])
    return LoadSummary(
        arm=arm.name,
        planned=_total(rows["planned"]),
        sent=_total(rows["sent"]),
        ok=_total(rows["ok"]),
        failed={kind: _total(rows[f"failed_{kind}"]) for kind in FAILURE_KINDS},
        missed=_total(rows["missed"]),
        planned_alive=_total(rows.loc[alive, "planned"]),
        sent_alive=_total(rows.loc[alive, "sent"]),
        failed_alive={kind: _total(rows.loc[alive, f"failed_{kind}"]) for kind in FAILURE_KINDS},
        missed_dead=_total(rows.loc[~alive, "missed"]),
    )


def alive_seconds(arm: Arm, t_s: pd.Series[float]) -> pd.Series[bool]:
    """Return whether the arm was ready and alive during each second and the next.

    The next one too, because a request may start up to a second after its planned instant.
    """
    alive = pd.Series(data=False, index=t_s.index)
    for ready_s, end_s in _stretches(arm):
        alive |= (t_s >= ready_s) & (t_s + 2 <= end_s)
    return alive


def _stretches(arm: Arm) -> list[tuple[float, float]]:
    """Return from when to when the arm was ready without a break, whichever of its processes was, seconds."""
    found: list[tuple[float, float]] = []
    for life in sorted(arm.lives, key=lambda life: life.ready_s or 0.0):
        if life.ready_s is None:
            continue
        since_s, until_s = life.ready_s, life.end_s
        if found and since_s <= found[-1][1]:
            since_s, before_s = found.pop()
            until_s = max(until_s, before_s)
        found.append((since_s, until_s))
    return found


def _total(column: pd.Series[float]) -> int:
    return int(column.sum())


def reasons(recording: Recording, loads: tuple[LoadSummary, ...]) -> tuple[str, ...]:
    """Return why the recording is inconclusive, one sentence each; empty when nothing stands against it."""
    found = [*_status(recording), *recording.gaps, *_length(recording)]
    for arm, sums in zip(recording.arms, loads, strict=True):
        found += arm_reasons(recording, arm, sums)
    return tuple(found)


def against_arm(recording: Recording, arm: Arm, sums: LoadSummary) -> tuple[str, ...]:
    """Return what stands against a verdict on this arm: what concerns the whole run, and it alone."""
    others = tuple(
        f"{other.name}{mark}" for other in recording.arms if other.name != arm.name for mark in ":/"
    )
    gaps = (gap for gap in recording.gaps if not gap.startswith(others))
    return (*_status(recording), *gaps, *_length(recording), *arm_reasons(recording, arm, sums))


def arm_reasons(recording: Recording, arm: Arm, sums: LoadSummary) -> tuple[str, ...]:
    """Return what its load and its sampling hold against one arm."""
    if (load := recording.load) is None:
        return ()
    return (
        *_arrival(arm, sums, load),
        *(_silence(arm, load) if recording.manifest.closed_loop else ()),
        *_success(sums),
        *unread(recording, arm),
    )


def unread(recording: Recording, arm: Arm) -> tuple[str, ...]:
    """Return what was not seen of one arm, which was dead or not read: that can hide a leak, and makes none."""
    if (load := recording.load) is None:
        return ()
    return (*_absence(arm, load), *_sampling(arm, load, recording.manifest.every_s))


def _length(recording: Recording) -> list[str]:
    if (load := recording.load) is None:
        return ["the run did not reach the phase load"]
    planned_s, ran_s = recording.manifest.planned_load_s, load.end_s - load.start_s
    if ran_s >= LOAD_TIME_AT_LEAST * planned_s or recording.stopped_early:
        return []
    return [f"the load was cut short: {ran_s:.0f} s of the planned {planned_s:.0f} s"]


def _status(recording: Recording) -> list[str]:
    status, detail = recording.manifest.status, recording.manifest.status_detail
    if status == "complete":
        return []
    if status == "running":
        return ["the run never ended its recording: the supervisor was killed, or is still at work"]
    return [
        f"the run {status if status == 'failed' else f'was {status}'}: {detail or 'no detail was recorded'}"
    ]


def _arrival(arm: Arm, sums: LoadSummary, load: Phase) -> list[str]:
    if arm.requests.empty:
        return []  # stated as a gap already
    seconds, ran_s = len(load_rows(arm, load)), load.end_s - load.start_s
    found = []
    if seconds < LOAD_TIME_AT_LEAST * math.floor(ran_s):
        found.append(f"{arm.name}: requests.csv has {seconds} of the load's {ran_s:.0f} seconds")
    if sums.arrived is None:
        found.append(f"{arm.name}: no request was planned while it was alive and loaded")
    elif sums.arrived < ARRIVED_AT_LEAST:
        found.append(
            f"{arm.name}: {sums.sent_alive:,} of {sums.planned_alive:,} requests planned while it was alive "
            f"were sent ({sums.arrived:.1%}, at least {ARRIVED_AT_LEAST:.0%} are needed)"
        )
    return found


def _silence(arm: Arm, load: Phase) -> list[str]:
    """Users who decide themselves have no plan that their requests could be held against; they must not stop."""
    rows = load_rows(arm, load)
    alive = alive_seconds(arm, rows["t_s"])
    silent = (rows["sent"].rolling(SILENT_S).sum() == 0) & (alive.rolling(SILENT_S).min() == 1)
    if silent.sum() <= (1 - ARRIVED_AT_LEAST) * alive.sum():
        return []
    return [
        f"{arm.name}: in {silent.sum()} of the {alive.sum()} seconds while it was alive and loaded no user had sent a "
        f"request for {SILENT_S} s (at most {1 - ARRIVED_AT_LEAST:.0%} may)"
    ]


def _success(sums: LoadSummary) -> list[str]:
    failed = sum(sums.failed_alive.values())
    if failed <= FAILED_AT_MOST * sums.sent_alive:
        return []
    kind, most = max(sums.failed_alive.items(), key=itemgetter(1))
    return [
        f"{sums.arm}: {failed:,} of {sums.sent_alive:,} requests sent while it was alive failed, {most:,} of them by "
        f"{kind} (at most {FAILED_AT_MOST:.0%} may)"
    ]


def _absence(arm: Arm, load: Phase) -> list[str]:
    alive_s = sum(
        max(0.0, min(end_s, load.end_s) - max(ready_s, load.start_s)) for ready_s, end_s in _stretches(arm)
    )
    ran_s = load.end_s - load.start_s
    if arm.samples.empty or alive_s >= ALIVE_AT_LEAST * ran_s:
        return []
    return [
        f"{arm.name}: was alive for {alive_s:.0f} s of the load's {ran_s:.0f} s "
        f"(at least {ALIVE_AT_LEAST:.0%} are needed)"
    ]


def _sampling(arm: Arm, load: Phase, every_s: float) -> list[str]:
    if arm.samples.empty:
        return []  # stated as a gap already, or the arm was never ready
    alive_s = sum(
        max(0, math.floor(min(life.end_s, load.end_s) - max(life.ready_s, load.start_s)))
        for life in arm.lives
        if life.ready_s is not None
    )
    rows = arm.samples[arm.samples["t_s"].between(load.start_s, load.end_s)]
    ticks, read = math.floor(alive_s / every_s), int(rows["rss_bytes"].notna().sum())
    answered = int(rows["live_blocks"].notna().sum())
    if read < TICKS_AT_LEAST * ticks:
        return [f"{arm.name}: memory was read at {read} of the {ticks} ticks while it was alive and loaded"]
    if arm.samples["live_blocks"].notna().any() and answered < TICKS_AT_LEAST * read:
        return [f"{arm.name}: its probe answered at {answered} of {read} samples under load"]
    return []
