"""The events of a recording: what they tell about phases, arms and lives, and as a page shows them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from analysis.formatting import format_hours
from analysis.recording.csv_table import read_table
from analysis.recording.model import Gap, Life, Phase, UnclaimedKills
from soak.contract import EVENTS

NOT_RESTARTED = ("not_restarted", "given_up")
"""The event of an arm that stays dead; the second is its name in recordings of schema 1."""


def read_events(run_dir: Path) -> tuple[tuple[str, ...], ...]:
    """Return the events as texts: time, event, arm, life, by, detail; what is missing or damaged is left out."""
    frame = read_table(run_dir / EVENTS, ("t_s", "life"), ("event", "arm", "by", "detail")).frame
    return tuple(
        (
            format_hours(float(t_s) / 3600, with_seconds=True),
            event,
            arm,
            "" if math.isnan(life) else f"{life:.0f}",
            by,
            detail,
        )
        for t_s, life, event, arm, by, detail in frame.to_numpy().tolist()
    )


def find_phases(events: pd.DataFrame, last_s: float) -> tuple[Phase, ...]:
    """Return the phases in order; each ends where the next begins, the last at ``run_end`` or ``last_s``."""
    rows = events[events["event"] == "phase"]
    run_end = events.loc[events["event"] == "run_end", "t_s"]
    starts = [float(t) for t in rows["t_s"]]
    ends = [*starts[1:], float(run_end.iloc[-1]) if len(run_end) else last_s]
    return tuple(
        Phase(str(name), start, end) for name, start, end in zip(rows["detail"], starts, ends, strict=False)
    )


def find_lives(events: pd.DataFrame, arm: str, last_s: float) -> tuple[Life, ...]:
    """Return the lives of ``arm`` in order, from its start, ready and exit events."""
    lives = []
    for number, rows in events[events["arm"] == arm].groupby("life"):
        first = {str(event): rows[rows["event"] == event].iloc[0] for event in rows["event"].unique()}
        if "start" not in first:
            continue
        start, ready, end = first["start"], first.get("ready"), first.get("exit")
        known = rows["pid"].dropna()  # that of a container is not known at its start
        lives.append(
            Life(
                number=int(float(str(number))),
                pid=None if known.empty else int(known.iloc[0]),
                start_s=float(start["t_s"]),
                ready_s=None if ready is None else float(ready["t_s"]),
                end_s=last_s if end is None else float(end["t_s"]),
                ended_by=None if end is None else str(end["by"]) or "unknown",
            )
        )
    return tuple(lives)


def find_unclaimed_kills(events: pd.DataFrame, arm: str) -> UnclaimedKills:
    """Return the kills that the limits of ``arm`` counted, but for those that are the end of one of its lives.

    A limit is that of a process and of all below it, whose ends are recorded before its counters.
    """
    claimed, found = 0, UnclaimedKills()
    for event, by, detail in events.loc[events["arm"] == arm, ["event", "by", "detail"]].to_numpy().tolist():
        if event == "exit":
            claimed += by == "kernel"
        elif event == "limit":
            kills, met_limit = _counted(detail)
            kills, claimed = max(0, kills - claimed), 0
            if met_limit is True:
                found = replace(found, of_no_life=found.of_no_life + kills)
            elif met_limit is False:
                found = replace(found, not_by_limit=found.not_by_limit + kills)
            else:
                found = replace(found, for_unknown=found.for_unknown + kills)
    return found


def _counted(detail: str) -> tuple[int, bool | None]:
    """Return the kernel's kills, and whether the limit was met; None for that where it is not known.

    Versions that did not ask for that compared no kills with ends: what they counted tells of none beside.
    """
    try:
        counters = json.loads(detail)
        return int(counters["oom_kills"] or 0), counters["met_limit"]
    except (ValueError, TypeError, KeyError, AttributeError):
        return 0, None


def find_unsampled(events: pd.DataFrame, arm: str) -> tuple[Gap, ...]:
    """Return the processes of the arm that were not sampled, a gap for each event."""
    found = events[(events["arm"] == arm) & (events["event"] == "unsampled")]
    return tuple(Gap(arm, f"{detail} were not sampled") for detail in found["detail"].unique())


def find_incremental_collector(events: pd.DataFrame, arm: str) -> str:
    """Return the Python of an arm whose collector is incremental; empty for any other."""
    found = events[(events["arm"] == arm) & (events["event"] == "incremental_collector")]
    return str(found["detail"].iloc[0]) if len(found) else ""


def end_at_last_readings(lives: tuple[Life, ...], samples: pd.DataFrame) -> tuple[Life, ...]:
    """Return the lives of an arm that runs elsewhere, each that ended until its last reading.

    Its end is noticed when the next life answers.
    """
    last_s = samples.groupby("life")["t_s"].max()
    return tuple(
        replace(life, end_s=float(last_s.get(life.number, life.end_s))) if life.died else life
        for life in lives
    )


def find_notes(events: pd.DataFrame, arm: str, missed: Mapping[str, int], url: str = "") -> tuple[str, ...]:
    """Return sentences on the other events of ``arm``: not restarted, and how many of which readings were missed.

    Lost workers of Locust sent to all arms.

    ``url`` is where it ran elsewhere.
    """
    mine = events[events["arm"] == arm]
    dead, gaps = mine[mine["event"].isin(NOT_RESTARTED)], mine[mine["event"] == "gap"]
    notes = [f"not restarted, {row.t_s:.0f} s: {row.detail}" for row in dead.itertuples()]
    if url:
        notes.append(
            f"it ran elsewhere, at {url}: memory, CPU and descriptors are its own word, as its metrics state them; "
            "no objects, holders or memory limit"
        )
    lost = events[events["event"] == "worker_lost"]
    notes += [f"a worker of Locust was lost at {row.t_s:.0f} s, {row.detail}" for row in lost.itertuples()]
    less = mine[mine["event"] == "sampled_less"]
    notes += [f"read less often from {row.t_s:.0f} s on, {row.detail}" for row in less.itertuples()]
    if python := find_incremental_collector(events, arm):
        notes.append(
            f"{python} has the incremental collector of 3.14.0 to 3.14.4: reference cycles are freed late, and memory "
            "can grow several-fold before; use 3.14.5 or later"
        )
    if len(gaps):
        first = gaps.iloc[0]
        counts = ", ".join(f"{count:,} {reading}" for reading, count in missed.items()) or "some"
        notes.append(f"readings missed: {counts}; the first at {first['t_s']:.0f} s: {first['detail']}")
    return tuple(notes)
