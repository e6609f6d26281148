"""Pending tasks that nothing can wake, as the probe proved after the load: the target's own word, no evidence."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.formatting import number_text
from analysis.growth.classify import PENDING_TASKS
from analysis.growth.suspect import LeakSuspect
from analysis.recording.model import Arm, Phase
from analysis.recording.requests import answered_by


@dataclass(frozen=True, slots=True)
class StuckPlace:
    """Where stuck tasks wait; texts are empty where they are not known."""

    coroutine: str
    waits_at: str
    """Line of the program, or of the package of the coroutine, as file:line."""
    source: str
    """The text of that line."""
    waits_in: str
    """Where they wait below that line, and the coroutine of the task that they await."""
    created: str
    """Line that created one of them, as file:line."""
    stuck: int
    pending: int
    """Pending tasks that wait there; ``stuck`` is a part of them."""

    @property
    def text(self) -> str:
        """The place in words, without the source: ``120 of run at app.py:12 in asyncio/locks.py:213 Event.wait()``."""
        inside = f" in {self.waits_in}" if self.waits_in else ""
        created = f", created at {self.created}" if self.created else ""
        at = f" at {self.waits_at}" if self.waits_at else ""
        return f"{self.stuck:,} of {self.coroutine or 'other coroutines'} wait{at}{inside}{created}"


@dataclass(frozen=True, slots=True)
class StuckTasks:
    """The pending tasks of an arm after its last load, and which of them nothing can wake."""

    stuck: int
    pending: int
    per_request: float | None
    """Stuck tasks per request answered in the lives that were asked; None where that is not known."""
    places: tuple[StuckPlace, ...]
    """Where stuck tasks wait, those with most first."""
    refused: str
    """Why nothing was proved; empty where it was."""

    @property
    def text(self) -> str:
        """The result in words, a clause."""
        if self.refused:
            return f"which of them can be woken was not proved: {self.refused}"
        tasks = "pending task" if self.pending == 1 else "pending tasks"
        if not self.stuck:
            return f"{self.pending:,} {tasks}, none proved never to be woken"
        rate = f", {number_text(self.per_request)} per request" if self.per_request is not None else ""
        return f"{self.stuck:,} of {self.pending:,} {tasks} can never be woken (proved){rate}"


def find_stuck(arm: Arm, load: Phase) -> StuckTasks | None:
    """Return what was proved after the load; None where the probe was not asked, or did not answer."""
    rows = arm.heap.stuck
    if rows.empty:
        return None
    rows = rows[rows["t_s"] >= load.start_s]
    rows = rows[rows["t_s"] == rows.groupby("life")["t_s"].transform("max")]
    if rows.empty:
        return None
    counted = rows[rows["refused"] == ""].dropna(subset=["stuck", "pending"])
    counted = counted[counted["stuck"] <= counted["pending"]]
    stuck = int(counted["stuck"].sum())
    return StuckTasks(
        stuck=stuck,
        pending=int(counted["pending"].sum()),
        per_request=_per_request(arm, counted, stuck),
        places=_places(counted),
        refused=next((str(reason) for reason in rows["refused"] if reason), ""),
    )


def with_proof(suspects: list[LeakSuspect], stuck: StuckTasks | None) -> list[LeakSuspect]:
    """Return the suspects, the first that is pending tasks with what was proved of them as evidence."""
    first = next((one for one in suspects if one.kind == PENDING_TASKS), None)
    if first is None or stuck is None:
        return suspects
    return [replace(one, why=f"{one.why}; {stuck.text}") if one is first else one for one in suspects]


def _per_request(arm: Arm, rows: pd.DataFrame, stuck: int) -> float | None:
    """Return the stuck tasks per request that was answered since the first of the lives asked began."""
    starts = [life.start_s for life in (arm.processes or arm.lives) if life.number in set(rows["life"])]
    if not starts:
        return None
    before, after = answered_by(arm, np.array([min(starts), rows["t_s"].max()]))
    answered = float(after - before)
    return stuck / answered if math.isfinite(answered) and answered > 0 else None


def _places(rows: pd.DataFrame) -> tuple[StuckPlace, ...]:
    """Return one place for those of all processes that are the same."""
    by = ["coroutine", "waits_at", "source", "waits_in", "created"]
    found = rows[rows["stuck"] > 0].groupby(by, sort=False)[["stuck", "pending"]].sum().reset_index()
    places = (
        StuckPlace(
            coroutine=str(row["coroutine"]),
            waits_at=str(row["waits_at"]),
            source=str(row["source"]),
            waits_in=str(row["waits_in"]),
            created=str(row["created"]),
            stuck=int(row["stuck"]),
            pending=int(row["pending"]),
        )
        for row in found.to_dict("records")
    )
    return tuple(sorted(places, key=lambda place: (-place.stuck, place.coroutine, place.waits_at)))
