"""The line of a report about pending tasks that nothing can wake."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from analysis.growth.arm import ArmGrowth
from analysis.growth.classify import CONTAINER, PENDING_TASKS
from analysis.growth.stuck import StuckPlace, StuckTasks
from analysis.report.stuck_tasks import stuck_lines

PLACE = StuckPlace("run", "app.py:12", "await x", "", "", 300, 300)
STUCK = StuckTasks(300, 302, 3.0, (PLACE,), "")


def lines(kinds: tuple[str, ...], signal: str, stuck: StuckTasks | None) -> dict[str, str]:
    """Return the lines of an arm with suspects of these kinds, led by a signal."""
    suspects: Any = tuple(SimpleNamespace(kind=kind) for kind in kinds)
    leading = SimpleNamespace(judgement=SimpleNamespace(signal=signal))
    contents: Any = SimpleNamespace(
        judged=SimpleNamespace(verdicts=[SimpleNamespace(arm="shop", leading=leading)]),
        growth=(ArmGrowth("shop", 1, suspects, (), None, stuck),),
    )
    return stuck_lines(contents)


@pytest.mark.parametrize(
    ("kinds", "signal"),
    [((PENDING_TASKS, CONTAINER), "held_bytes"), ((CONTAINER, PENDING_TASKS), "tasks_alive")],
)
def test_where_tasks_lead_the_leak_a_line_has_the_proof(kinds: tuple[str, ...], signal: str) -> None:
    """With the mark of the target's own word, and the place where most wait."""
    assert lines(kinds, signal, STUCK) == {
        "shop": "shop†: 300 of 302 pending tasks can never be woken (proved), 3.00 per request: "
        "300 of run wait at app.py:12"
    }


@pytest.mark.parametrize(
    ("kinds", "signal", "stuck"),
    [((CONTAINER, PENDING_TASKS), "held_bytes", STUCK), ((CONTAINER,), "tasks_alive", STUCK),
     ((), "held_bytes", STUCK), ((PENDING_TASKS,), "tasks_alive", None)],
)  # fmt: skip
def test_else_there_is_no_line(kinds: tuple[str, ...], signal: str, stuck: StuckTasks | None) -> None:
    """Tasks that are not what leaks first, no leak at all, or no proof."""
    assert lines(kinds, signal, stuck) == {}
