"""The growth of each process of an arm, and from each to the next: where a leak is that the sum over them lacks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import pandas as pd

from analysis.judge import judge_signal
from analysis.judge.types import ARENA_BYTES, LEAK, NO_LEAK, Margin, Numbers, SignalSeries
from analysis.recording.accounting import FREE, HELD, OWN
from analysis.recording.model import Arm, Life, Phase, within
from analysis.recording.requests import answered_by
from analysis.verdict.decision import FAMILY_ERROR
from analysis.verdict.signals import MIN_PARTS_SHARE, RSS, USS
from analysis.verdict.validity import TICKS_AT_LEAST
from soak.contract.evidence import MIN_READINGS_UNDER_LOAD

Growth = Literal["grows", "does not grow", "undecided", "not judged"]
Role = Literal["main", "child"]

MOST_JUDGED: Final = 10
"""Processes of an arm that are judged at most, those that gained most memory, and last those whose memory never
changed: each takes about 0.1 s of processor time."""
MOST_END_READINGS: Final = 5
"""Readings at each end of a process's time under load, at most, whose median is its memory there."""
MOST_UNREAD_TICKS: Final = 5
"""Ticks of a process that may be missing, however short its life."""
NOTICED_WITHIN_S: Final = 1.5
"""Time within which it is noticed that a process began or ended, seconds: its ticks there may be missing."""
RISE_ERROR: Final = FAMILY_ERROR / 10
"""Chance that the levels of an arm rise by less than is found. Processes that are started again have unlike levels,
and each may by chance be above the last: an arm whose levels are about the same is not to be in doubt for that."""


@dataclass(frozen=True, slots=True)
class ProcessRow:
    """One process of an arm under load; its fields are the columns of processes.csv, None where it is not known."""

    arm: str
    pid: int | None
    life: int
    """Number of the process within the arm."""
    role: Role
    """main: the arm's own process; child: one that was started while another process of the arm was alive."""
    from_s: float
    """Seconds of the load after which it was alive; 0 where it was there before."""
    to_s: float
    """Seconds of the load up to which it was alive."""
    rss_bytes: float | None
    """The last reading of its RSS under load."""
    signal: str = RSS
    """The memory that was judged: held_bytes, or where the allocators were not asked own_bytes, uss_bytes, rss_bytes;
    its shared memory is what the process maps."""
    gained_bytes: float | None = None
    """That memory at its last readings under load, less that at its first ones."""
    growth: Growth = "not judged"
    """Whether it grows by more than its part of the margin: the arm's, divided by the processes alive at a time."""
    bytes_per_request: float | None = None
    """Per request that the arm answered, whichever process did."""
    bytes_per_request_low: float | None = None
    """Lower end of the 95% interval."""
    bytes_per_request_high: float | None = None
    """Upper end of the 95% interval."""
    bytes_per_s: float | None = None
    bytes_per_s_low: float | None = None
    """Lower end of the 95% interval."""
    bytes_per_s_high: float | None = None
    """Upper end of the 95% interval."""
    reason: str = ""
    """Why it is judged so, one sentence without a full stop."""


def process_rows(
    arm: Arm, load: Phase | None, margin: Margin, *, error: float = FAMILY_ERROR
) -> tuple[ProcessRow, ...]:
    """Return the processes of an arm that had several at a time under load: those that grow first, the fastest first.

    ``margin`` is the arm's, in bytes; ``error`` is divided among the processes that are judged. Each is judged by its
    own memory, as read at each tick, and by a margin that adds up to the arm's: when none grows, the sum is below it.
    """
    if load is None or arm.by_process.empty:
        return ()
    rows = within(arm.by_process, load.start_s, load.end_s)
    rows = rows.dropna(subset="life")
    at_once = rows.groupby("t_s")["life"].nunique().max()
    if not at_once > 1:
        return ()
    lives = {life.number: life for life in arm.processes}
    found = []
    for number, part in rows.groupby(rows["life"].astype(int)):
        signal, memory = _memory(part)
        row = _unjudged(arm, lives.get(int(str(number))), part, load)
        row = replace(row, signal=signal, gained_bytes=_gained(memory.dropna()))
        found.append((row, part["t_s"].to_numpy(float), np.asarray(memory, dtype=np.float64)))
    found.sort(key=lambda one: (_is_constant(one[2]), -(one[0].gained_bytes or 0.0)))
    share = margin.scaled(1 / int(at_once))
    most = min(len(found), MOST_JUDGED)
    judged = [_judged(arm, *one, share, error / most) for one in found[:most]]
    return tuple(sorted([*judged, *(row for row, *_ in found[most:])], key=_order))


def unread_process(arm: Arm, load: Phase) -> str:
    """Return a clause on a process that was alive under load, and not read in much of that; empty where none is.

    The ticks are those at which any process of the arm was read.
    """
    if arm.by_process.empty:
        return ""
    rows = within(arm.by_process, load.start_s, load.end_s)
    for life in arm.processes:
        since_s, until_s = (life.ready_s or life.start_s) + NOTICED_WITHIN_S, life.end_s - NOTICED_WITHIN_S
        meanwhile = within(rows, since_s, until_s)
        alive = int(meanwhile["t_s"].nunique())
        read = int(meanwhile.loc[meanwhile["life"] == life.number, RSS].count())
        if read < alive - max(MOST_UNREAD_TICKS, (1 - TICKS_AT_LEAST) * alive):
            which = f"its process {life.pid or ''}, life {life.number},"
            return f"{which} was read at {read:,} of the {alive:,} ticks while it was alive and loaded"
    return ""


def rise_of_levels(arm: Arm, readings: SignalSeries, margin: Margin) -> float | None:
    """Return how fast readings of an arm grow at least as its processes come and go, where that is above the margin.

    It is per request where the margin is, else per second; None where it is less, or one process is alive at a time.
    Each stretch between is a life with a level of its own. What is left behind each time, by processes that never end
    or in files of memory, is in the levels alone, so the readings are judged as of one life. Its interval decides, not
    its verdict: levels of processes that are started again are about the same, and a pool that has reached its size
    stays there.
    """
    known = np.isfinite(readings.life)
    if arm.by_process.empty or len(np.unique(readings.life[known])) < 2:
        return None
    one_life = replace(readings, life=np.where(known, 1.0, np.nan))
    found = judge_signal(one_life, margin, alpha=RISE_ERROR, detectable=False)
    rate, least = margin.of(found.per_s, found.per_request), margin.amount
    return rate.low if rate is not None and least is not None and rate.low > least else None


def _is_constant(memory: Numbers) -> bool:
    """Return whether the memory of a process never changed: such as a launcher."""
    known = memory[np.isfinite(memory)]
    return len(known) > 0 and bool((known == known[0]).all())


def _memory(rows: pd.DataFrame) -> tuple[str, pd.Series[float]]:
    """Return the most exact memory of a process that was read often enough, and its name; RSS where none was."""
    own = rows["anon_bytes"] + rows["shmem_bytes"]
    held = own - rows[FREE]
    enough = min(MIN_READINGS_UNDER_LOAD, len(rows))
    if held.count() >= max(enough, MIN_PARTS_SHARE * own.count()):
        return HELD, held
    return next(
        ((name, column) for name, column in ((OWN, own), (USS, rows[USS])) if column.count() >= enough),
        (RSS, rows[RSS]),
    )


def _unjudged(arm: Arm, life: Life | None, rows: pd.DataFrame, load: Phase) -> ProcessRow:
    number = int(rows["life"].iloc[0])
    rss = rows[RSS].dropna()
    if life is None:  # no event names it: its readings are all there is
        first_s, last_s = float(rows["t_s"].iloc[0]), float(rows["t_s"].iloc[-1])
        pids = rows["pid"].dropna()
        life = Life(number, int(pids.iloc[0]) if len(pids) else None, first_s, first_s, last_s, None)
    older = any(one.number < number and one.start_s <= life.start_s < one.end_s for one in arm.processes)
    return ProcessRow(
        arm=arm.name,
        pid=life.pid,
        life=number,
        role="child" if older else "main",
        from_s=max(0.0, (life.start_s if life.ready_s is None else life.ready_s) - load.start_s),
        to_s=min(life.end_s, load.end_s) - load.start_s,
        rss_bytes=float(rss.iloc[-1]) if len(rss) else None,
    )


def _gained(values: pd.Series[float]) -> float | None:
    if len(values) < 2:
        return None
    ends = min(MOST_END_READINGS, len(values) // 2)
    return float(np.median(values.iloc[-ends:]) - np.median(values.iloc[:ends]))


def _judged(
    arm: Arm, row: ProcessRow, t_s: Numbers, memory: Numbers, margin: Margin, alpha: float
) -> ProcessRow:
    readings = SignalSeries(
        signal=row.signal,
        t_s=t_s,
        value=memory,
        life=np.full(len(t_s), float(row.life)),
        requests=answered_by(arm, t_s),
        quantum=0.0 if row.signal == HELD else ARENA_BYTES,
    )
    judgement = judge_signal(readings, margin, alpha=alpha, detectable=False)
    request, second = judgement.per_request, judgement.per_s
    names: dict[str, Growth] = {LEAK: "grows", NO_LEAK: "does not grow"}
    return replace(
        row,
        growth=names.get(judgement.verdict, "undecided"),
        bytes_per_request=request.value if request else None,
        bytes_per_request_low=request.low if request else None,
        bytes_per_request_high=request.high if request else None,
        bytes_per_s=second.value if second else None,
        bytes_per_s_low=second.low if second else None,
        bytes_per_s_high=second.high if second else None,
        reason=judgement.reason,
    )


def _order(row: ProcessRow) -> tuple[bool, bool, float, int]:
    return (
        row.growth != "grows",
        row.bytes_per_s is None,
        -(row.bytes_per_s or row.gained_bytes or 0.0),
        row.life,
    )
