"""Whether the planned load arrived and was watched: what else would make a comparison worthless."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from operator import itemgetter
from typing import Final

import pandas as pd

from analysis.judge.types import SignalSeries
from analysis.recording.model import Arm, Phase, Recording, chosen, within
from analysis.recording.requests import answered_by
from analysis.verdict.daily_load import daily_load_doubt
from analysis.verdict.kills import kill_doubts
from soak.contract import DRAIN, FAILED_AT_MOST, FAILURE_KINDS, LOAD

ARRIVED_AT_LEAST: Final = 0.99
"""Least share of the requests planned while the arm was alive that must have been sent."""
LOAD_TIME_AT_LEAST: Final = 0.99
"""Least share of the planned duration that the load, and its record in requests.csv, must have lasted."""
TICKS_AT_LEAST: Final = 0.95
"""Least share of the ticks while an arm was alive and loaded that must have been sampled, and of its samples that a
probe which ever answered must have answered."""
ALIVE_AT_LEAST: Final = 0.9
"""Least share of the load during which an arm must have been alive to have been soaked."""
SILENT_S: Final = 10
"""Seconds without a request after which a load of users of a locustfile has stopped."""
GIVE_REQUESTS: Final = "given to soak attach by --prometheus and --requests-query"
"""How the requests of attached processes become known, in the objection that they are not."""
ENDED: Final = ("ok", *(f"failed_{kind}" for kind in FAILURE_KINDS))
"""Columns of requests.csv that count requests by how they ended."""


class ObjectionKind(StrEnum):
    """The subject of an objection."""

    RUN = "run"
    """The run did not end as planned, or its load did not last as long."""
    GAP = "gap"
    """A file is missing or damaged, or processes were not sampled."""
    LOAD = "load"
    """Planned requests were not sent, users stopped sending, or too many requests failed."""
    UNREAD = "unread"
    """The arm was dead, or killed for others, readings are missing, or what leaks is in one process, or the levels,
    alone: none of it makes a leak."""
    CHANGED = "changed"
    """A file is not the one of the run's end: nothing that is read of the recording decides anything."""
    DAY = "day"
    """The load was nobody's plan: memory may follow that of a day."""
    BASELINE = "baseline"
    """An objection to the recording that limits with ``x before`` refer to."""


@dataclass(frozen=True, slots=True)
class Objection:
    """A reason why a recording, or an arm of it, supports no verdict."""

    arm: str | None
    """The arm it concerns; None for the whole run."""
    kind: ObjectionKind
    text: str
    """A clause, without the arm and without a full stop."""

    @property
    def sentence(self) -> str:
        """The text with its arm, without a full stop."""
        return self.text if self.arm is None else f"{self.arm}: {self.text}"


@dataclass(frozen=True, slots=True)
class LoadSummary:
    """Requests of the phase load at one arm."""

    arm: str
    planned: int
    sent: int
    ok: int
    """Requests of the load that were answered well, also after its end; at most ``sent``."""
    failed: dict[str, int]
    """Requests that failed, by FAILURE_KINDS; also those in flight at the load's end that failed after it."""
    missed: int
    planned_alive: int
    """Requests planned for seconds in which the arm was alive."""
    sent_alive: int
    failed_alive: dict[str, int]
    """Requests that failed in those seconds, or after the load while the arm was alive, by FAILURE_KINDS."""
    missed_dead: int
    """Requests missed in all other seconds."""
    arrived: float | None
    """Share of the requests planned for an arm alive that were sent; None when none were planned."""
    opened: int = 0
    """WebSockets that were opened."""
    messages_sent: int = 0
    """Messages sent over WebSockets."""
    messages_received: int = 0
    """Messages received over WebSockets."""

    @property
    def availability(self) -> float | None:
        """Share of the planned requests that were answered well, at most 1; None when none were planned.

        Answers to the warm-up's last requests arrive in the load's first second, hence the bound.
        """
        return min(1.0, self.ok / self.planned) if self.planned else None


def load_rows(arm: Arm, load: Phase | None) -> pd.DataFrame:
    """Return the rows of that load: seconds that it touches count to it."""
    if load is None:
        return arm.requests.iloc[:0]
    touched = within(arm.requests, load.start_s - 1, load.end_s)
    return chosen(touched, touched["phase"] == LOAD)


def load_summary(arm: Arm, load: Phase | None) -> LoadSummary:
    """Sum the rows of the load, and what ended of it in the drain."""
    rows = load_rows(arm, load)
    alive = alive_seconds(arm, rows["t_s"])
    planned_alive, sent_alive = (_total(rows.loc[alive, column]) for column in ("planned", "sent"))
    at_start = _in_flight_at_start(arm.requests, rows)
    late = _late(arm.requests, rows, at_start)
    late_alive = alive_seconds(arm, late["t_s"])
    sent, in_load = _total(rows["sent"]), {kind: _total(rows[f"failed_{kind}"]) for kind in FAILURE_KINDS}
    earlier = max(0.0, at_start - sum(in_load.values()))
    return LoadSummary(
        arm=arm.name,
        planned=_total(rows["planned"]),
        sent=sent,
        ok=round(min(sent, max(0.0, rows["ok"].sum() + late["ok"].sum() - earlier))),
        failed={kind: count + _total(late[f"failed_{kind}"]) for kind, count in in_load.items()},
        missed=_total(rows["missed"]),
        planned_alive=planned_alive,
        sent_alive=sent_alive,
        failed_alive={
            kind: _total(rows.loc[alive, f"failed_{kind}"]) + _total(late.loc[late_alive, f"failed_{kind}"])
            for kind in FAILURE_KINDS
        },
        missed_dead=_total(rows.loc[~alive, "missed"]),
        arrived=sent_alive / planned_alive if planned_alive else None,
        opened=_total(rows["opened"]),
        messages_sent=_total(rows["messages_sent"]),
        messages_received=_total(rows["messages_received"]),
    )


def _in_flight(rows: pd.DataFrame) -> float:
    return float(rows["sent"].sum() - sum(rows[column].sum() for column in ENDED))


def _in_flight_at_start(requests: pd.DataFrame, rows: pd.DataFrame) -> float:
    """Return how many requests of its warm-up were in flight when the load of these rows began.

    Those of an earlier load that never ended are none of them. When one ends, its row does not state when it was sent:
    where fewer fail in the load than this, the rest is taken to be answered well in it.
    """
    before = requests[requests["t_s"] < rows["t_s"].min()]
    earlier_loads = before.loc[before["phase"].isin((LOAD, DRAIN)), "t_s"]
    return max(0.0, _in_flight(before[~(before["t_s"] <= earlier_loads.max())]))


def _late(requests: pd.DataFrame, rows: pd.DataFrame, at_start: float) -> pd.DataFrame:
    """Return the rows of the drain after the load of these rows, as those of WebSockets that end with the load.

    What ended in them, well or not, is cut in proportion to no more than was in flight at the load's end.
    """
    late = requests[(requests["t_s"] > rows["t_s"].max()) & (requests["phase"] == DRAIN)]
    ended = late[list(ENDED)].fillna(0.0)
    at_end, in_all = max(0.0, at_start + _in_flight(rows)), float(ended.to_numpy().sum())
    counted: pd.DataFrame = ended * (min(1.0, at_end / in_all) if in_all else 1.0)
    return counted.assign(t_s=late["t_s"])


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
    for life in sorted(arm.processes or arm.lives, key=lambda life: life.ready_s or 0.0):
        if life.ready_s is None:
            continue
        since_s, until_s = life.ready_s, life.end_s
        if found and since_s <= found[-1][1]:
            since_s, before_s = found.pop()
            until_s = max(until_s, before_s)
        found.append((since_s, until_s))
    return found


def _total(column: pd.Series[float]) -> int:
    return round(float(column.sum()))


def run_objections(recording: Recording) -> tuple[Objection, ...]:
    """Return the objections to the run as a whole, and the gaps, each to the arm that it concerns."""
    return (
        *_of_kind(ObjectionKind.CHANGED, None, recording.hashes.differences),
        *_of_kind(ObjectionKind.RUN, None, _status(recording)),
        *(Objection(gap.arm, ObjectionKind.GAP, gap.text) for gap in recording.gaps),
        *_of_kind(ObjectionKind.RUN, None, _length(recording)),
    )


def arm_objections(recording: Recording, arm: Arm, sums: LoadSummary) -> tuple[Objection, ...]:
    """Return every objection to a verdict on this arm, those to the whole run first."""
    shared = (one for one in run_objections(recording) if one.arm in {None, arm.name})
    if (load := recording.load) is None:
        return tuple(shared)
    of_users = _of_users(arm, load) if recording.manifest.closed_loop else []
    attached = recording.manifest.attached
    of_load = () if attached else (*_arrival(arm, sums, load), *of_users, *_success(sums))
    unread = (*_absence(arm, load), *_sampling(arm, load, recording.manifest.every_s), *kill_doubts(arm))
    of_day = _day(arm, load) if attached else []
    return (
        *shared,
        *_of_kind(ObjectionKind.LOAD, arm.name, of_load),
        *_of_kind(ObjectionKind.UNREAD, arm.name, unread),
        *_of_kind(ObjectionKind.DAY, arm.name, of_day),
    )


def all_objections(recording: Recording, by_arm: Iterable[tuple[Objection, ...]]) -> tuple[Objection, ...]:
    """Return the objections to the run and to its arms, each once; ``by_arm`` are those of :func:`arm_objections`."""
    return tuple(dict.fromkeys((*run_objections(recording), *chain.from_iterable(by_arm))))


def _of_kind(kind: ObjectionKind, arm: str | None, texts: Iterable[str]) -> tuple[Objection, ...]:
    return tuple(Objection(arm, kind, text) for text in texts)


def _length(recording: Recording) -> list[str]:
    if (load := recording.load) is None:
        return ["the run did not reach the phase load"]
    planned_s, ran_s = recording.manifest.planned_load_s, load.end_s - load.start_s
    if ran_s >= LOAD_TIME_AT_LEAST * planned_s or recording.stopped_early:
        return []
    return [f"the load was cut short: {ran_s:.0f} s of the planned {planned_s:.0f} s"]


def _status(recording: Recording) -> list[str]:
    status, detail = recording.manifest.status, recording.manifest.status_detail
    if status == "complete" or recording.load_ended:
        return []
    if status == "running":
        return ["the run never ended its recording: the supervisor was killed, or is still at work"]
    ended = status if status == "failed" else f"was {status}"
    return [f"the run {ended}: {detail or 'no detail was recorded'}"]


def _arrival(arm: Arm, sums: LoadSummary, load: Phase) -> list[str]:
    if arm.requests.empty:
        return []  # stated as a gap already
    seconds, ran_s = len(load_rows(arm, load)), load.end_s - load.start_s
    found = []
    if seconds < LOAD_TIME_AT_LEAST * math.floor(ran_s):
        found.append(f"requests.csv has {seconds} of the load's {ran_s:.0f} seconds")
    if sums.arrived is None:
        found.append("no request was planned while it was alive and loaded")
    elif sums.arrived < ARRIVED_AT_LEAST:
        found.append(
            f"{sums.sent_alive:,} of {sums.planned_alive:,} requests planned while it was alive "
            f"were sent ({sums.arrived:.1%}, at least {ARRIVED_AT_LEAST:.0%} are needed)"
        )
    return found


def _of_users(arm: Arm, load: Phase) -> list[str]:
    """Return an objection where the users of a locustfile stopped."""
    rows = load_rows(arm, load)
    alive = alive_seconds(arm, rows["t_s"])
    silent = (rows["sent"].rolling(SILENT_S).sum() == 0) & (alive.rolling(SILENT_S).min() == 1)
    if silent.sum() <= (1 - ARRIVED_AT_LEAST) * alive.sum():
        return []
    return [
        f"in {silent.sum()} of the {alive.sum()} seconds while it was alive and loaded no user had sent a "
        f"request for {SILENT_S} s (at most {1 - ARRIVED_AT_LEAST:.0%} may)"
    ]


def _success(sums: LoadSummary) -> list[str]:
    """Return an objection where too many requests failed, or ended neither well nor badly, not even in the drain."""
    if (unknown := sums.sent - sums.ok - sum(sums.failed.values())) > (1 - ARRIVED_AT_LEAST) * sums.sent:
        ended = "neither succeeded nor failed, not even in the drain (at most 1% may); where answers take long, raise"
        return [f"{unknown:,} of {sums.sent:,} requests {ended} phases.drain_s"]
    failed = sum(sums.failed_alive.values())
    if failed <= FAILED_AT_MOST * sums.sent_alive:
        return []
    kind, most = max(sums.failed_alive.items(), key=itemgetter(1))
    return [
        f"{failed:,} of {sums.sent_alive:,} requests sent while it was alive failed, {most:,} of them by "
        f"{kind} (at most {FAILED_AT_MOST:.0%} may)"
    ]


def _day(arm: Arm, load: Phase) -> list[str]:
    """Return an objection where the memory of processes that were there before may follow the load of a day."""
    rows = arm.samples if arm.by_process.empty else arm.by_process
    rows = within(rows, load.start_s, load.end_s).dropna(subset="rss_bytes")
    if rows.empty:
        return []  # stated as a gap already
    t_s, value, life = (rows[name].to_numpy(float) for name in ("t_s", "rss_bytes", "life"))
    doubt = daily_load_doubt(
        SignalSeries("rss_bytes", t_s, value, life, answered_by(arm, t_s)), GIVE_REQUESTS
    )
    return [doubt] if doubt else []


def _absence(arm: Arm, load: Phase) -> list[str]:
    alive_s = sum(
        max(0.0, min(end_s, load.end_s) - max(ready_s, load.start_s)) for ready_s, end_s in _stretches(arm)
    )
    ran_s = load.end_s - load.start_s
    if arm.samples.empty or alive_s >= ALIVE_AT_LEAST * ran_s:
        return []
    return [
        f"was alive for {alive_s:.0f} s of the load's {ran_s:.0f} s (at least {ALIVE_AT_LEAST:.0%} are needed)"
    ]


def _sampling(arm: Arm, load: Phase, every_s: float) -> list[str]:
    if arm.samples.empty:
        return []  # stated as a gap already, or the arm was never ready
    alive_s = sum(
        max(0, math.floor(min(end_s, load.end_s) - max(ready_s, load.start_s)))
        for ready_s, end_s in _stretches(arm)
    )
    rows = within(arm.samples, load.start_s, load.end_s)
    read = int(rows["rss_bytes"].notna().sum())
    each_s = rows["until_next_s"].fillna(every_s)  # longer where the answers of an arm elsewhere took long
    newest_s = float(each_s.iloc[-1]) if len(each_s) else every_s
    ticks = len(rows) + max(0, math.floor((alive_s - float(each_s.sum())) / newest_s + 1e-6))
    answered = int(rows["probe_ms"].notna().sum())
    if read < TICKS_AT_LEAST * ticks:
        return [f"memory was read at {read} of the {ticks} ticks while it was alive and loaded"]
    if arm.samples["probe_ms"].notna().any() and answered < TICKS_AT_LEAST * read:
        return [f"its probe answered at {answered} of {read} samples under load"]
    return []
