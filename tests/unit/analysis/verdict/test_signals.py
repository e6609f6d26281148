"""Which readings are judged, against which margin, and what explains them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.judge.types import Margin
from analysis.recording.accounting import account_arm, account_processes
from analysis.recording.latency import Latency
from analysis.recording.model import Arm, Life, Phase
from analysis.recording.read import SAMPLE_NUMBERS
from analysis.verdict.other_explanations import bounded, end_memory
from analysis.verdict.signals import Evidence, evidence
from soak.contract import LOAD, POINT

LOAD_PHASE = Phase(LOAD, 100.0, 200.0)


def rows(t_s: np.ndarray, **columns: object) -> pd.DataFrame:
    """Return rows of samples with these columns, the others not read."""
    frame = pd.DataFrame({"t_s": t_s, "life": 1.0, **columns})
    frame = frame.reindex(columns=[*SAMPLE_NUMBERS, "phase", "rung"])
    return account_arm(account_processes(frame, {}))


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


PARTED: dict[str, Any] = {
    "anon_bytes": 90e6,
    "shmem_bytes": 0.0,
    "pymalloc_arena_bytes": 30e6,
    "pymalloc_free_bytes": 10e6,
    "malloc_in_use_bytes": 50e6,
    "malloc_free_bytes": 1e6,
}
"""A process that holds 79 MB: Python 20, malloc 50, the rest 9."""
PER_SECOND = Margin(per_s=100.0)


def found(one: Arm, margin: Margin = PER_SECOND, headroom_bytes: float | None = None) -> Evidence:
    """Return what the arm is judged by; fails where that is nothing."""
    evident = evidence(one, LOAD_PHASE, margin, headroom_bytes)
    assert evident is not None
    return evident


def test_the_whole_is_what_is_held_and_its_parts_add_up_to_it() -> None:
    """Only the load counts, with the requests answered by then; the counts are read beside it."""
    evident = found(arm(rows(SECONDS, **PARTED, fds=9.0)))
    held = evident.whole.readings
    assert (held.signal, set(held.value), held.settled) == ("held_bytes", {79e6}, False)
    assert (held.t_s[0], held.t_s[-1], held.requests[0], held.requests[-1]) == (100.0, 200.0, 400.0, 1400.0)
    parts = {part.readings.signal: part.readings.value[0] for part in evident.parts}
    assert parts == {"python_bytes": 20e6, "native_bytes": 50e6, "rest_bytes": 9e6}
    assert [count.readings.signal for count in evident.counts] == ["fds"]
    assert len(evident.accusers) == 5


@pytest.mark.parametrize(
    ("columns", "alone"),
    [
        ({"anon_bytes": 90e6, "shmem_bytes": 2e6, "rss_bytes": 99e6, "uss_bytes": 95e6}, "own_bytes"),
        ({"rss_bytes": 99e6, "uss_bytes": 95e6}, "uss_bytes"),
        ({"rss_bytes": 99e6}, "rss_bytes"),
        (PARTED | {"malloc_in_use_bytes": np.where(SECONDS > 189, np.nan, 50e6)}, "own_bytes"),
    ],
)
def test_without_parts_memory_is_judged_alone(columns: dict[str, Any], alone: str) -> None:
    """Its own; of older recordings USS or RSS. Parts that are missing for a tenth of the load are none."""
    evident = found(arm(rows(SECONDS, **columns)))
    assert (evident.whole.readings.signal, evident.parts, evident.reserve_bytes) == (alone, (), 0.0)


def test_the_reserve_is_what_the_rest_gained_up_to_its_highest_point_under_load() -> None:
    """From the start of the process, warm-up included; what it gains after the load does not count."""
    anon = 90e6 + 3e6 * (SECONDS > 80) + 1e6 * (SECONDS == 150) + 9e6 * (SECONDS > 200)
    assert found(arm(rows(SECONDS, **(PARTED | {"anon_bytes": anon})))).reserve_bytes == 4e6


def test_the_margin_of_a_count_is_that_of_the_bytes_over_what_one_costs() -> None:
    """Where no limit is known; of threads, ten over the 1,000 requests are more."""
    samples = rows(SECONDS, **PARTED, sessions_open=1.0, fds=9.0, threads=2.0)
    margins = {
        count.readings.signal: count.margin.per_request
        for count in found(arm(samples), Margin(per_request=200.0)).counts
    }
    assert margins == {
        "sessions_open": pytest.approx(200 / 6200),
        "fds": pytest.approx(200 / 3500),
        "threads": 0.01,
    }


def test_a_count_that_meets_its_limit_within_a_month_matters_whatever_its_bytes() -> None:
    """At 10 requests a second: the limit of descriptors by 0.03 of each, for sessions the memory that is left by 0.02.

    What gains less than ten over the load, as pools do, does not matter.
    """
    month = 30 * 86400 * 10
    limits = {"fds_limit": 24 + 0.03 * month, "threads_limit": 9.0}
    samples = rows(SECONDS, **PARTED, sessions_open=1.0, fds=24.0, threads=1.0, **limits)
    counts = {
        count.readings.signal: count
        for count in found(arm(samples), Margin(per_request=200.0), headroom_bytes=0.02 * month * 6200).counts
    }
    assert [counts[name].limit for name in ("fds", "sessions_open")] == [24 + 0.03 * month, 1 + 0.02 * month]
    assert {name: count.margin.per_request for name, count in counts.items()} == {
        "fds": pytest.approx(0.03),
        "sessions_open": pytest.approx(0.02),
        "threads": 0.01,
    }


def test_what_the_drain_closed_of_a_count_is_known_where_it_was_reached() -> None:
    """The last reading under load less that of the rung; a count that only rises closed nothing."""
    samples = rows(SECONDS, **PARTED, fds=112.0, threads=4.0)
    ladder = rows(np.array([230.0]), fds=62.0, threads=5.0).assign(rung="drained")
    with_ladder = found(arm(samples, ladder=ladder)).counts
    assert {one.readings.signal: one.closed_by_drain for one in with_ladder} == {"fds": 50.0, "threads": 0.0}
    assert [one.closed_by_drain for one in found(arm(samples)).counts] == [0.0, 0.0]


def test_what_the_limit_charges_is_followed_beside_the_whole() -> None:
    """Less the file cache; where that is not known, as in older recordings, it is RSS, without a limit nothing."""
    charge = {"cgroup_bytes": 120e6, "cgroup_file_bytes": 20e6, "rss_bytes": 110e6}
    limited = arm(rows(SECONDS, **PARTED, **charge))
    charged = found(limited, headroom_bytes=5e6).charged
    assert charged is not None
    assert (charged.readings.signal, charged.readings.value[0], charged.limit) == (
        "charged_bytes",
        100e6,
        105e6,
    )
    assert found(limited).charged is None
    for cells in ({}, {"cgroup_bytes": 120e6}):
        watched = found(arm(rows(SECONDS, **PARTED, rss_bytes=110e6, **cells)), headroom_bytes=5e6).charged
        assert watched is not None
        assert watched.readings.signal == "rss_bytes"


def test_quiesce_points_take_the_place_of_seconds_where_there_are_six() -> None:
    """From the last one before the load; memory alone is read each second all the same; five points are too few."""
    samples = rows(SECONDS, **PARTED, tasks_alive=7.0)
    points = rows(np.arange(70.0, 220.0, 10.0), **PARTED, tasks_alive=3.0, rung=POINT)
    evident = found(arm(samples, points))
    for signal in (evident.whole, *evident.parts, *evident.counts):
        assert signal.readings.settled
        assert list(signal.readings.t_s) == [90.0, *np.arange(100.0, 201.0, 10.0)]
    few = found(arm(samples, points.iloc[[0, 5, 6, 7, 8]]))
    assert not any(signal.readings.settled for signal in (few.whole, *few.counts))
    own = found(
        arm(rows(SECONDS, anon_bytes=1e6, shmem_bytes=0.0), rows(points["t_s"].to_numpy(), anon_bytes=1e6))
    )
    assert not own.whole.readings.settled


@pytest.mark.parametrize("missing", [(150.0, 200.0), (115.0, 145.0), (95.0, 125.0)])
def test_points_that_are_missing_for_a_stretch_of_the_load_clear_nothing(
    missing: tuple[float, float],
) -> None:
    """What leaks meanwhile is in no point, so memory is read each second; counts, which only accuse, as well."""
    samples = rows(SECONDS, **PARTED, rss_bytes=95e6, tasks_alive=7.0)
    t_s = np.arange(70.0, 220.0, 5.0)
    points = rows(t_s[(t_s < missing[0]) | (t_s > missing[1])], **PARTED, tasks_alive=3.0, rung=POINT)
    evident = found(arm(samples, points))
    assert not any(signal.readings.settled for signal in (evident.whole, *evident.parts, *evident.counts))
    one_missed = rows(t_s[t_s != 150.0], **PARTED, rung=POINT)
    assert found(arm(samples, one_missed)).whole.readings.settled
    at_points_alone = found(arm(samples.assign(tasks_alive=np.nan), points))
    assert [count.readings.settled for count in at_points_alone.counts] == [True]


def test_memory_that_is_read_for_a_part_of_the_load_is_not_all_that_is_judged() -> None:
    """The charge of the limit, and own memory with it, was not readable from the middle on; RSS was."""
    charged = np.where(SECONDS < 150, 1e6, np.nan)
    evident = found(arm(rows(SECONDS, **PARTED, rss_bytes=95e6, cgroup_shmem_bytes=charged)))
    assert (evident.whole.readings.signal, evident.parts) == ("rss_bytes", ())
    often = np.where(SECONDS % 10 == 0, 90e6, np.nan)
    assert found(arm(rows(SECONDS, rss_bytes=95e6, uss_bytes=often))).whole.readings.signal == "rss_bytes"
    every_fifth = np.where(SECONDS % 5 == 0, 90e6, np.nan)
    assert (
        found(arm(rows(SECONDS, rss_bytes=95e6, uss_bytes=every_fifth))).whole.readings.signal == "uss_bytes"
    )


def test_what_was_hardly_read_is_no_signal() -> None:
    """Eleven readings of a load are not judged, and an arm without any has none."""
    assert evidence(arm(rows(np.arange(100.0, 111.0), rss_bytes=1e6)), LOAD_PHASE, PER_SECOND, None) is None
    assert evidence(arm(rows(np.array([]))), LOAD_PHASE, PER_SECOND, None) is None


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


def test_the_memory_at_the_end_is_that_of_the_life_that_saw_it() -> None:
    """A life that died in the last seconds is not added to the one that took its place."""
    samples = rows(SECONDS, rss_bytes=np.where(SECONDS < 198, 500e6, 70e6))
    samples["life"] = np.where(SECONDS < 198, 1.0, 2.0)
    lives = (Life(1, 1, 0.0, 1.0, 197.5, "kernel"), Life(2, 2, 197.6, 198.0, 300.0, "soak"))
    assert end_memory(replace(arm(samples), lives=lives), LOAD_PHASE) == 70e6
    assert end_memory(arm(rows(SECONDS)), LOAD_PHASE) is None


def test_the_memory_at_the_end_is_the_last_one_of_rows_that_are_far_apart() -> None:
    """Rows may be up to a minute apart; one that is older than that is not the memory at the end."""
    seldom = np.arange(60.0, 220.0, 9.5)
    assert end_memory(arm(rows(seldom, rss_bytes=seldom)), LOAD_PHASE) == 193.0 - 9.5 / 2
    read = np.where(SECONDS < 190, 70e6, np.nan)
    assert end_memory(arm(rows(SECONDS, rss_bytes=read)), LOAD_PHASE) is None
