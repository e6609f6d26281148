"""What the ladder's collection freed of a type, and what kind of tasks leak."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from analysis.growth import from_signals
from analysis.growth.classify import FINISHED_TASKS, PENDING_TASKS
from analysis.growth.from_types import freed_by_collection
from analysis.growth.trends import TypeGrowth
from analysis.recording.latency import Latency
from analysis.recording.model import Arm

NODE = TypeGrowth(
    type="app.Node",
    life=1,
    objects_per_request=1.0,
    bytes_per_request=64.0,
    bytes_per_request_low=60.0,
    bytes_per_request_high=70.0,
    bytes_per_s=640.0,
    share=1.0,
    steady=True,
)
Row = tuple[float, str, str, int]
STAYS: list[Row] = [(200.0, "drained", "app.Other", 5), (201.0, "collected", "app.Other", 5)]


@pytest.mark.parametrize(
    ("rows", "freed"),
    [
        ([(200.0, "drained", "app.Node", 900), (201.0, "collected", "app.Node", 100), *STAYS], True),
        ([(200.0, "drained", "app.Node", 900), (201.0, "collected", "app.Node", 800), *STAYS], False),
        ([(200.0, "drained", "app.Node", 900), *STAYS], True),
        ([(200.0, "drained", "app.Node", 900), STAYS[0]], False),
        (STAYS, False),
        ([(90.0, "collected", "app.Node", 900), (200.0, "drained", "app.Node", 900), *STAYS], True),
        ([], False),
    ],
)
def test_a_type_is_collected_where_most_or_all_of_it_is_gone(rows: list[Row], *, freed: bool) -> None:
    """Of what is all gone there is no row; where there was no census after the collection nothing is known."""
    types = pd.DataFrame(rows, columns=["t_s", "rung", "type", "objects"]).assign(life=1)
    assert freed_by_collection(types, NODE) is freed


@pytest.mark.parametrize(
    ("seconds", "points", "kind"),
    [
        ((900.0, 10.0), (0.0, 0.0), PENDING_TASKS),
        ((900.0, 800.0), (0.0, 0.0), FINISHED_TASKS),
        ((20.0, math.nan), (900.0, 880.0), FINISHED_TASKS),
        ((900.0, math.nan), (900.0, 10.0), PENDING_TASKS),
        ((900.0, math.nan), None, PENDING_TASKS),
    ],
)
def test_tasks_that_leak_are_finished_where_half_of_them_are(
    seconds: tuple[float, float],
    points: tuple[float, float] | None,
    kind: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Alive and finished are of the same rows: on CPython 3.14 those of the quiesce points."""
    samples, settled = (
        pd.DataFrame([row] if row else [], columns=["tasks_alive", "tasks_finished"])
        for row in (seconds, points)
    )
    nothing = pd.DataFrame()
    arm = Arm("app", "", None, (), samples, nothing, settled, nothing, Latency(), ())
    verdict: Any = None
    monkeypatch.setattr(from_signals, "leak_rates", lambda _verdict: {"tasks_alive": None})
    assert from_signals.kind_of_tasks(arm, verdict) == kind
