from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from soak.contract import RUNGS, STUCK
from soak.limit.base import Unlimited
from soak.sampling.probe_answers import ProbeError
from soak.sampling.sampler import EXACT_TIMEOUT_S
from soak.sampling.target import Target
from soak.supervisor.ladder import Ladder

GROUP = {
    "coroutine": "job", "waits_at": "app.py:12", "source": "await event.wait()", "waits_in": "", "created": "",
    "stuck": 3, "pending": 4,
}  # fmt: skip


class Arm:
    """An arm whose probe answers from a script, and what was done with it, in order."""

    name = "shop"
    room_bytes = 1000

    def __init__(self, rungs: tuple[str, ...], answer: Any) -> None:
        self.done: list[str] = []
        self.missed: list[tuple[str, str]] = []
        self._rungs, self._answer = rungs, answer
        probe: Any = SimpleNamespace(exists=True, ask=self.ask)
        target = Target(self.name, 7, 2, Unlimited(), probe)
        self.sampler = SimpleNamespace(
            targets=(target,),
            phase="quiesce",
            gaps=SimpleNamespace(missed=lambda *gap: self.missed.append(gap)),
            name_holders=lambda rung, _timeout_s: self.done.append(f"holders at {rung}"),
        )

    def quiesce(self) -> Iterator[str]:
        for rung in self._rungs:
            self.done.append(rung)
            yield rung

    def ask(self, op: str, timeout_s: float, **arguments: object) -> dict[str, Any]:
        self.done.append(op)
        self.asked = {"timeout_s": timeout_s, **arguments}
        if isinstance(self._answer, Exception):
            raise self._answer
        answer: dict[str, Any] = self._answer
        return answer


@pytest.fixture
def session(tmp_path: Path) -> Any:
    """As much of a session as a ladder uses."""
    (tmp_path / "shop").mkdir()
    clock = SimpleNamespace(now_s=lambda: 100.0)
    return SimpleNamespace(
        directory=tmp_path, clock=clock, censuses=None, machine=SimpleNamespace(thread=Thread)
    )


def lead(session: Any, arm: Any) -> list[dict[str, str]]:
    """Lead the arm down; return the rows of its stuck.csv."""
    Ladder(session, lambda _seconds: None).lead(arm)
    file = session.directory / "shop" / STUCK
    return list(csv.DictReader(file.read_text().splitlines())) if file.exists() else []


def test_the_proof_changes_no_reading(session: Any) -> None:
    """It comes once, after the last rung was read: the memory that it takes is in none of them."""
    arm = Arm(RUNGS, {"refused": "", "groups": [GROUP]})
    [row] = lead(session, arm)
    assert arm.done == ["drained", "holders at drained", "collected", "trimmed", "stuck"]
    assert arm.asked == {"timeout_s": EXACT_TIMEOUT_S, "budget_s": EXACT_TIMEOUT_S - 2, "room_bytes": 1000}
    assert row == {
        **{name: str(value) for name, value in GROUP.items()},
        "t_s": "100.000", "arm": "shop", "pid": "7", "life": "2", "phase": "quiesce", "rung": "trimmed", "refused": "",
    }  # fmt: skip


def test_a_target_that_is_not_collected_is_not_asked(session: Any) -> None:
    """Garbage would be called stuck."""
    arm = Arm(RUNGS[:1], {"refused": "", "groups": [GROUP]})
    assert lead(session, arm) == []
    assert "stuck" not in arm.done


def test_a_target_that_was_not_trimmed_is_asked(session: Any) -> None:
    """After the rung that it reached."""
    [row] = lead(session, Arm(RUNGS[:2], {"refused": "", "groups": [GROUP]}))
    assert row["rung"] == RUNGS[1]


@pytest.mark.parametrize(
    ("answer", "cells"),
    [
        ({"refused": "4 objects, at most 3", "groups": []}, ("", "", "4 objects, at most 3")),
        ({"refused": "", "groups": []}, ("0", "0", "")),
    ],
)  # fmt: skip
def test_why_there_is_no_proof_is_recorded(
    session: Any, answer: dict[str, Any], cells: tuple[str, str, str]
) -> None:
    """One row with the reason; one with two zeros where no task is pending."""
    [row] = lead(session, Arm(RUNGS, answer))
    assert (row["stuck"], row["pending"], row["refused"]) == cells


def test_a_probe_that_does_not_answer_is_a_counted_gap(session: Any) -> None:
    """The file has its head and no row."""
    arm = Arm(RUNGS, ProbeError("probe: stuck: timed out"))
    assert lead(session, arm) == []
    assert arm.missed == [("stuck tasks", "timed out")]
