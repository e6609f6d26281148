"""The yardstick itself: its truth is in the recordings, and what it counts is counted right."""

from __future__ import annotations

from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau

from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK
from analysis.recording.accounting import HELD, OWN
from analysis.recording.accounting import PARTS as PART_COLUMNS
from tests.calibration import naive
from tests.calibration.figures import Figure, Share, figures
from tests.calibration.plan import (
    ALONE,
    AT_MARGIN,
    DAYS,
    HEALTHY,
    LEAKY,
    PARTS,
    SHORT,
    SPLIT_LEAK,
    TIMED,
    UNSETTLED,
    tasks,
)
from tests.calibration.simulator.arms import simulate_arm
from tests.calibration.simulator.fills import heavy_tail
from tests.calibration.simulator.kinds import (
    FILLING,
    HEALTHY_KINDS,
    HEAVY_TAIL,
    LEAKS,
    OOM,
    SPLIT,
    UNDECIDABLE,
)
from tests.calibration.simulator.lives import MARGIN
from tests.calibration.simulator.noise import MIB, ar1
from tests.calibration.simulator.parts import Life
from tests.calibration.simulator.simulate import REPORTING_SEED, simulate

KEPT_FREE = ("leak on foreign allocator", "leak on staircase")
STEADY_LEAKS = [
    kind
    for kind, (leak, _) in LEAKS.items()
    if leak.__name__ == "leak_linear" and kind != OOM and kind not in KEPT_FREE
]


@pytest.mark.parametrize("kind", [*HEALTHY_KINDS, "leak in bursts", FILLING])
def test_a_seed_is_one_recording(kind: str) -> None:
    """The same kind and seed give the same recording; another seed gives another."""
    first, again, other = simulate(kind, 7), simulate(kind, 7), simulate(kind, 8)
    pd.testing.assert_frame_equal(first.frame, again.frame)
    assert not first.frame["rss_bytes"].equals(other.frame["rss_bytes"])


@pytest.mark.parametrize("kind", STEADY_LEAKS)
def test_the_planted_leak_is_in_the_recording(kind: str) -> None:
    """With and without its leak, a service differs by the leak alone, in every life from its start."""
    clean, leaky = (simulate(kind, 11, multiple=multiple).frame for multiple in (0, 3))
    gained = (leaky["rss_bytes"] - clean["rss_bytes"]).to_numpy()
    for places in leaky[~np.isnan(gained)].groupby("restart_id").indices.values():
        if len(places) > 200:
            t_s, rise = leaky["time_s"].to_numpy()[~np.isnan(gained)], gained[~np.isnan(gained)]
            assert np.polyfit(t_s[places], rise[places], 1)[0] == pytest.approx(3 * MARGIN, rel=0.02)


@pytest.mark.parametrize("kind", KEPT_FREE)
@pytest.mark.parametrize("seed", range(5))
def test_free_memory_hides_no_more_than_half_of_a_leak(kind: str, seed: int) -> None:
    """Where an allocator keeps memory free, at least half of what leaks is in the readings of the run."""
    clean, leaky = (simulate(kind, seed, multiple=multiple).frame for multiple in (1e-9, 3))
    gained = leaky["rss_bytes"].iloc[-200:].quantile(0.1) - clean["rss_bytes"].iloc[-200:].quantile(0.1)
    assert gained > 0.4 * 3 * MARGIN * 4 * 3600


@pytest.mark.parametrize("kind", ["flat", "processes", "foreign allocator", "tmpfs"])
def test_a_seed_is_one_arm_whose_parts_add_up(kind: str) -> None:
    """The same kind and seed give the same readings, and the parts are what is held."""
    first, again, other = (simulate_arm(kind, seed).arm.samples for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(first, again)
    assert not first[OWN].equals(other[OWN])
    read = first.dropna(subset=HELD)
    assert len(read) > 0.5 * len(first)
    np.testing.assert_allclose(read[list(PART_COLUMNS)].sum(axis=1), read[HELD])


@pytest.mark.parametrize(("kind", "count"), [("leak", 1), *SPLIT.items()])
@pytest.mark.parametrize("seed", range(3))
def test_the_planted_leak_is_in_as_many_parts_as_it_was_split_into(kind: str, count: int, seed: int) -> None:
    """With and without its leak an arm differs by it in what is held, and in each of its parts by as much."""
    clean, leaky = (simulate_arm(kind, seed, multiple=multiple).arm.samples for multiple in (1e-9, 30))
    gained = (leaky[[HELD, *PART_COLUMNS]] - clean[[HELD, *PART_COLUMNS]]).dropna()
    rates = [np.polyfit(leaky.loc[gained.index, "t_s"], gained[name], 1)[0] / MARGIN for name in gained]
    assert rates[0] == pytest.approx(30, rel=0.02)
    assert sorted(rates[1:]) == pytest.approx([0] * (3 - count) + [30 / count] * count, abs=0.6)


@pytest.mark.parametrize("kind", ["arenas", "fragmentation"])
@pytest.mark.parametrize("seed", range(5))
def test_memory_that_allocators_keep_is_not_held(kind: str, seed: int) -> None:
    """Arenas that come and go, and what creeps, move own memory and not what is held."""
    points = simulate_arm(kind, seed, quiesced=True).arm.points.dropna(subset=HELD)
    assert np.ptp(points[HELD]) < 2.5 * MIB
    assert np.ptp(points[OWN]) > np.ptp(points[HELD])


def test_bursts_lose_what_they_are_said_to_lose() -> None:
    """A leak in bursts gains its rate over the run."""
    clean, leaky = (simulate("leak in bursts", 3, multiple=multiple) for multiple in (0, 30))
    gained = leaky.frame["rss_bytes"].iloc[-200:].median() - clean.frame["rss_bytes"].iloc[-200:].median()
    assert gained == pytest.approx(30 * MARGIN * 4 * 3600, rel=0.1)


def test_a_replay_is_the_same_service_on_another_day() -> None:
    """A replay keeps the level and the margin, and has other noise."""
    first, replay = simulate("flat", 6), simulate("flat", 6, replay=1)
    assert replay.frame["rss_bytes"].median() == pytest.approx(first.frame["rss_bytes"].median(), rel=0.02)
    assert not replay.frame["rss_bytes"].equals(first.frame["rss_bytes"])


def test_a_leak_to_oom_restarts_below_its_limit() -> None:
    """A leak that meets its limit is killed there, and its next life starts below."""
    trace = simulate(OOM, 2, multiple=100)
    assert trace.frame["restart_id"].nunique() > 1
    assert trace.oom_s is not None
    assert trace.oom_s < 4 * 3600


def test_time_to_oom_is_what_is_left_over_the_rate() -> None:
    """Half the leak takes twice as long to the same limit above the end."""
    slow, fast = (simulate("leak", 4, multiple=multiple) for multiple in (5, 10))
    assert slow.oom_s is not None
    assert fast.oom_s is not None
    assert slow.oom_s == pytest.approx(2 * fast.oom_s, rel=0.01)


def test_what_fills_the_whole_run_is_not_decidable() -> None:
    """A cache still filling at the end is scored apart; a flat service is not."""
    assert not any(simulate(kind, 1).decidable for kind in UNDECIDABLE)
    assert simulate("flat", 1).decidable


@pytest.mark.parametrize("seed", range(5))
def test_a_heavy_tailed_cache_fills_ever_more_slowly(seed: int) -> None:
    """Each quarter of the run gains less than the one before, the last less than three quarters of the first."""
    life = Life(
        *2 * (np.linspace(0, 4 * 3600, 5),),
        0.0,
        4 * 3600.0,
        3600.0,
        1.0,
        MARGIN,
        *2 * (np.random.default_rng(seed),),
    )
    gained = np.diff(heavy_tail(np.random.default_rng(seed), 4 * 3600.0)(life).values)
    assert (np.diff(gained) < 0).all()
    assert 0 < gained[-1] < 0.75 * gained[0]


def test_tuning_and_reporting_share_no_seed() -> None:
    """What the judge is tuned on is not what it is reported by, and no trace is used twice."""
    tuning, reporting = ([task.seed for task in tasks(first)] for first in (0, REPORTING_SEED))
    assert len(set(tuning + reporting)) == len(tuning) + len(reporting)


def test_mann_kendall_agrees_with_kendalls_tau() -> None:
    """Our Mann-Kendall calls what scipy's test of Kendall's tau calls."""
    chance = np.random.default_rng(1)
    t_s = np.arange(90.0)
    for slope in np.linspace(-0.05, 0.05, 21):
        value = slope * t_s + chance.standard_normal(90)
        tau = kendalltau(t_s, value, method="asymptotic")
        assert naive.mann_kendall(t_s, value) == (tau.statistic > 0 and tau.pvalue < 0.05)


def test_every_naive_method_sees_a_clear_trend_and_no_trend_in_a_fall() -> None:
    """Each naive method calls a steep rise and never a fall."""
    t_s = np.arange(0, 3600.0, 40)
    value = 2e8 + t_s * 1e5 + np.random.default_rng(2).standard_normal(90)
    for method in (naive.fitted_line, *naive.METHODS.values()):
        assert method(t_s, value)
        assert not method(t_s, value[::-1].copy())


def test_hamed_rao_forgives_autocorrelation() -> None:
    """In slow noise Hamed-Rao calls fewer trends than Mann-Kendall."""
    t_s = np.arange(90.0)
    noises = [ar1(np.random.default_rng(seed), 90, tick_s=1, memory_s=8) for seed in range(200)]
    plain = sum(naive.mann_kendall(t_s, noise) for noise in noises)
    corrected = sum(naive.hamed_rao(t_s, noise) for noise in noises)
    assert corrected < 0.75 * plain


def test_wilsons_interval() -> None:
    """The interval of a rate is Wilson's: 0 of 10 may be 28%, 5 of 10 lies between 24 and 76%."""
    assert Share(0, 10).interval() == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert Share(5, 10).interval() == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_a_judge_that_knows_meets_every_goal() -> None:
    """Right verdicts, intervals and windows meet all goals."""
    assert [figure.name for figure in figures(_outcomes(honest=True)) if not figure.met] == []


def test_a_judge_that_errs_meets_no_goal_of_verdicts() -> None:
    """Wrong verdicts fall short wherever a goal asks for right ones."""
    found = [
        figure for figure in figures(_outcomes(honest=False)) if np.isfinite((figure.low, figure.high)).any()
    ]
    assert {figure.name for figure in found if figure.met} == {"slowest 8 h at 1 s ticks, seconds", "crashes"}


def test_a_figure_of_nothing_is_not_met() -> None:
    """Without traces a figure has no value, and its goal is not met."""
    assert not Figure("recall", Share(0, 0), low=0.9).met


def _outcomes(*, honest: bool) -> pd.DataFrame:
    kinds = {HEALTHY: 0.0, LEAKY: 3.0, AT_MARGIN: 1.0, SPLIT_LEAK: 1.2, FILLING: 0.0, HEAVY_TAIL: 0.0}
    rows = []
    for by, (kind, leak), hours, number in product(
        (ALONE, PARTS), kinds.items(), (SHORT, 4.0, 8.0, 24.0, DAYS), range(20)
    ):
        fills = kind in UNDECIDABLE
        right = {HEALTHY: NO_LEAK, LEAKY: LEAK, SPLIT_LEAK: LEAK}.get(kind, INCONCLUSIVE)
        wrong = LEAK if fills or kind == HEALTHY else NO_LEAK
        # One interval in twenty misses, as 95% says.
        near = honest and (number or fills)
        rows.append(
            {
                "by": by,
                "group": UNSETTLED if fills else kind,
                "kind": kind,
                "hours": hours,
                "decidable": not fills,
                "leak": leak,
                "verdict": right if honest else wrong,
                "low": leak - 0.1 if near else leak + 1,
                "high": leak + 2,
                "found_again": float(honest) if kind == HEALTHY else np.nan,
                "decided": float(honest) if kind == HEALTHY else np.nan,
                "oom_s": 100.0 if leak else np.nan,
                "oom_low_s": 50.0,
                "oom_high_s": np.inf,
                "with_gauge": (right if honest else wrong) if kind == FILLING else "",
            }
        )
    timed = {
        "by": ALONE,
        "group": TIMED,
        "kind": "flat",
        "hours": 8.0,
        "decidable": True,
        "verdict": NO_LEAK,
        "took_s": 0.2,
    }
    return pd.DataFrame([*rows, timed])
