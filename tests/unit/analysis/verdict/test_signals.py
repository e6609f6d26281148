"""Which readings are judged, against which margin, and what explains them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.judge.types import Margin
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Life, Phase
from analysis.recording.read import SAMPLE_NUMBERS, with_live_bytes
from analysis.verdict.other_explanations import bounded, end_memory, retained_by_allocator
from analysis.verdict.signals import signals
from soak.contract import LOAD, POINT

LOAD_PHASE = Phase(LOAD, 100.0, 200.0)


def rows(t_s: np.ndarray, **columns: object) -> pd.DataFrame:
    """Return rows of samples with these columns, the others not read."""
    frame = pd.DataFrame({"t_s": t_s, "life": 1.0, **columns})
    return with_live_bytes(frame.reindex(columns=[*SAMPLE_NUMBERS, "phase", "rung"]))


def arm(samples: pd.DataFrame, points: pd.DataFrame | None = None, ladder: pd.DataFrame | None = None) -> Arm:
    """Return an arm of one life that answers ten requests a second."""
    nothing = rows(np.array([]))
    t_s = np.arange(60.0, 200.0)
    return Arm(
        name="new",
        role="after",
        limit_bytes=None,
        lives=(Life(1, 1, 0.0, 1.0, 300.0, "soak"),),
        samples=samples,
        ladder=nothing if ladder is None else ladder,
        points=nothing if points is None else points,
        requests=pd.DataFrame({"t_s": t_s, "ok": 10.0}),
        latency=Latency(),
        notes=(),
    )


SECONDS = np.arange(60.0, 220.0)


def test_live_bytes_are_what_is_in_use_of_python_and_of_malloc() -> None:
    """Arenas less what is free in them, and native bytes; only the load counts, with the requests answered by then."""
    samples = rows(
        SECONDS,
        pymalloc_arena_bytes=300.0,
        pymalloc_free_bytes=100.0,
        malloc_in_use_bytes=50.0,
        live_blocks=4.0,
    )
    found = {
        signal.readings.signal: signal for signal in signals(arm(samples), LOAD_PHASE, Margin(per_s=100.0))
    }
    assert set(found) == {"live_bytes", "live_blocks", "malloc_in_use_bytes"}
    live = found["live_bytes"].readings
    assert set(live.value) == {250.0}
    assert (live.t_s[0], live.t_s[-1], live.settled) == (100.0, 200.0, False)
    assert (live.requests[0], live.requests[-1]) == (400.0, 1400.0)


def test_the_margin_of_a_count_is_that_of_the_bytes_over_what_one_costs() -> None:
    """A block costs what blocks cost in this very run, 50 bytes; a session, a descriptor, a thread what is stated."""
    samples = rows(
        SECONDS,
        pymalloc_arena_bytes=300.0,
        pymalloc_free_bytes=100.0,
        live_blocks=4.0,
        sessions_open=1.0,
        fds=9.0,
        threads=2.0,
        rss_bytes=1e6,
    )
    found = {
        s.readings.signal: s.margin for s in signals(arm(samples), LOAD_PHASE, Margin(per_request=200.0))
    }
    assert found["rss_bytes"] == Margin(per_request=200.0)
    assert found["live_blocks"] == Margin(per_request=4.0)
    for name, each in (("sessions_open", 6200), ("fds", 3500), ("threads", 37_000)):
        assert found[name].per_request == pytest.approx(200 / each)


def test_quiesce_points_take_the_place_of_seconds_where_there_are_five() -> None:
    """From the last one before the load; RSS is read each second all the same, and four points are too few."""
    samples = rows(SECONDS, tasks_alive=7.0, rss_bytes=1e6)
    points = rows(np.arange(70.0, 220.0, 10.0), tasks_alive=3.0, rss_bytes=1e6, rung=POINT)
    found = {
        s.readings.signal: s.readings for s in signals(arm(samples, points), LOAD_PHASE, Margin(per_s=1.0))
    }
    assert found["tasks_alive"].settled
    assert list(found["tasks_alive"].t_s) == [90.0, *np.arange(100.0, 201.0, 10.0)]
    assert not found["rss_bytes"].settled
    few = arm(samples, points.iloc[[0, 5, 6, 7]])
    assert not any(s.readings.settled for s in signals(few, LOAD_PHASE, Margin(per_s=1.0)))


def test_what_was_hardly_read_is_no_signal() -> None:
    """Nine readings of a load are not judged, and an arm without any has none."""
    assert signals(arm(rows(np.arange(100.0, 109.0), rss_bytes=1e6)), LOAD_PHASE, Margin(per_s=1.0)) == ()
    assert signals(arm(rows(np.array([]))), LOAD_PHASE, Margin(per_s=1.0)) == ()


@pytest.mark.parametrize(
    ("cache", "history", "answer"),
    [
        (np.minimum(SECONDS - 60, 80.0), np.nan, True),
        (SECONDS - 60, np.nan, False),
        (np.minimum(SECONDS - 60, 80.0), SECONDS, False),
        (50 + 40 * np.sin(SECONDS / 5), np.nan, None),
        (0.0, np.nan, None),
        (np.nan, np.nan, None),
    ],
)
def test_a_gauge_tells_whether_a_cache_has_stopped(
    cache: float | np.ndarray, history: float | np.ndarray, answer: bool | None
) -> None:
    """One that holds its level has; one that rises has not, whatever the other does; one that swings does not tell."""
    samples = rows(SECONDS)
    samples["gauges.cache_entries"], samples["gauges.history_entries"] = cache, history
    assert bounded(arm(samples), LOAD_PHASE) is answer


@pytest.mark.parametrize(("kept_bytes", "held_bytes"), [(9e6, 8e6), (2e6, 5e6), (0.0, 3e6), (np.nan, 3e6)])
def test_what_the_allocators_hold_is_what_they_gained(kept_bytes: float, held_bytes: float) -> None:
    """3 MB in free pools, and of what malloc_trim gives back, 5 MB, what malloc had not kept before the load.

    Without readings it is nothing.
    """
    free = np.where(SECONDS < 150, 1e6, 4e6)
    malloc = np.where(SECONDS < 150, 200e6, 200e6 + kept_bytes)
    ladder = rows(np.array([1.0, 2.0, 3.0]), rss_bytes=[90e6, 80e6, 75e6])
    ladder["rung"] = ["drained", "collected", "trimmed"]
    found = arm(rows(SECONDS, pymalloc_free_bytes=free, malloc_free_bytes=malloc), ladder=ladder)
    assert retained_by_allocator(found, LOAD_PHASE) == pytest.approx(held_bytes)
    assert retained_by_allocator(arm(rows(SECONDS)), LOAD_PHASE) == 0.0


def test_the_memory_at_the_end_is_that_of_the_life_that_saw_it() -> None:
    """A life that died in the last seconds is not added to the one that took its place."""
    samples = rows(SECONDS, rss_bytes=np.where(SECONDS < 198, 500e6, 70e6))
    samples["life"] = np.where(SECONDS < 198, 1.0, 2.0)
    lives = (Life(1, 1, 0.0, 1.0, 197.5, "kernel"), Life(2, 2, 197.6, 198.0, 300.0, "soak"))
    assert end_memory(replace(arm(samples), lives=lives), LOAD_PHASE) == 70e6
    assert end_memory(arm(rows(SECONDS)), LOAD_PHASE) is None
