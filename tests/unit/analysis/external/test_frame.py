from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.external.frame import judge_frame
from analysis.judge import judge_signal
from analysis.judge.types import INCONCLUSIVE, LEAK, NO_LEAK, Margin, Numbers
from tests.unit.analysis.judge.traces import MARGIN, MIB, clock, frame, noise, readings

T_S = clock(8.0, 40.0)
FLAT = 100 * MIB + noise(T_S, 2, 0.1)
NAN = np.full(len(T_S), np.nan)
KEYS = {
    "verdict", "reason", "slope_bytes_per_s", "ci_low", "ci_high", "mde_bytes_per_s", "oom_eta_low_s", "oom_eta_high_s",
}  # fmt: skip


def of_text() -> pd.DataFrame:
    """Return a frame whose cells are words."""
    return pd.DataFrame({"time_s": ["a"] * 50, "rss_bytes": ["b"] * 50})


SHORT_LIVES = (
    "more than a fifth of the readings are of lives too short to be judged, as processes began or ended repeatedly, "
    "which can hide a leak"
)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (pd.DataFrame(), "no readings"),
        (frame(T_S, NAN), "no readings"),
        (frame(NAN, FLAT), "no readings"),
        (of_text(), "no readings"),
        (frame(T_S[::-1], FLAT), "time goes backwards"),
        (frame(T_S, -FLAT), "720 readings are negative or implausibly large"),
        (frame(T_S, FLAT * 1e30), "720 readings are negative or implausibly large"),
        (frame(T_S, np.zeros(len(T_S))), "720 readings are negative or implausibly large"),
        (frame(T_S[:9], FLAT[:9]), "too few readings in long enough lives: 9"),
        (frame(T_S[:2], FLAT[:2]), "too few readings in long enough lives: 0"),
        (frame(np.zeros(len(T_S)), FLAT), "too few readings in long enough lives: 0"),
        (frame(T_S, FLAT, restart_id=np.floor(T_S / 10)), SHORT_LIVES),
    ],
)
def test_bad_data_are_inconclusive_with_their_reason(bad: pd.DataFrame, why: str) -> None:
    """Whatever is wrong with a recording, it is said, and nothing is signed or raised."""
    found = judge_frame(bad)
    assert (found["verdict"], found["reason"]) == (INCONCLUSIVE, why)
    assert found.keys() == KEYS
    assert found["slope_bytes_per_s"] is None


def test_a_constant_signal_is_no_leak() -> None:
    """A constant, read long enough, has a finite interval around 0."""
    found = judge_frame(frame(T_S, np.full(len(T_S), 1e8)))
    assert found["verdict"] == NO_LEAK
    assert found["ci_low"] < 0 < found["ci_high"]


@pytest.mark.parametrize(
    "more",
    [
        {"requests_total": NAN},
        {"requests_total": np.full(len(T_S), 5.0)},
        {"requests_total": np.where(T_S < 1800, 0.0, 1e6)},
        {"requests_total": T_S % 600},
        {"pid": NAN, "restart_id": NAN},
        {"pid": np.where(np.arange(len(T_S)) % 7 == 0, np.nan, 1.0)},
        {"uss_bytes": NAN},
        {"uss_bytes": np.where(np.arange(len(T_S)) % 12 == 0, FLAT - 5e6, np.nan)},
        {"restart_id": np.where(len(T_S) - 3 > np.arange(len(T_S)), 0.0, 1.0)},
    ],
)
def test_columns_may_be_poor(more: dict[str, Numbers]) -> None:
    """Unknown or odd requests, pids, restarts and USS do not keep flat memory from its NO LEAK."""
    found = judge_frame(frame(T_S, FLAT, **more))
    assert found["verdict"] == NO_LEAK
    assert all(
        math.isfinite(found[key]) for key in ("slope_bytes_per_s", "ci_low", "ci_high", "mde_bytes_per_s")
    )


def test_processes_may_take_turns_in_the_rows() -> None:
    """Rows of two workers, one after the other, are two lives and not hundreds."""
    found = judge_frame(
        frame(
            np.repeat(T_S, 2),
            np.stack([FLAT, 109 * MIB + noise(T_S, 3, 0.1)], axis=1).ravel(),
            pid=np.tile([1.0, 2.0], len(T_S)),
        )
    )
    assert found["verdict"] == NO_LEAK


def test_repeated_rows_and_a_few_absurd_ones_change_nothing() -> None:
    """A row that is there twice counts once; a few impossible values are left out."""
    twice = judge_frame(frame(np.repeat(T_S, 2), np.repeat(FLAT, 2)))
    once = judge_frame(frame(T_S, FLAT))
    assert twice == once
    holes = FLAT.copy()
    holes[::50] = -1
    assert judge_frame(frame(T_S, holes))["verdict"] == NO_LEAK


@pytest.mark.parametrize("since", ["2026-11-26", "2026-11-26 08:00+02:00", None])
def test_moments_and_durations_are_times(since: str | None) -> None:
    """They are seconds, whatever pandas counts them in: nanoseconds would make every leak small."""
    leaking = frame(T_S, FLAT + 3e-4 * MIB * T_S)
    moments = leaking.assign(time_s=pd.to_timedelta(T_S, unit="s"))
    if since is not None:
        moments["time_s"] += pd.Timestamp(since)
    found, plain = judge_frame(moments, detectable=False), judge_frame(leaking, detectable=False)
    assert (found["verdict"], found["ci_low"]) == (LEAK, pytest.approx(plain["ci_low"], rel=1e-3))


def test_of_two_columns_of_one_name_the_first_counts() -> None:
    """A recording that was joined badly is still one."""
    twice = pd.concat([frame(T_S, FLAT), pd.DataFrame({"rss_bytes": T_S})], axis=1)
    assert judge_frame(twice) == judge_frame(frame(T_S, FLAT))


@pytest.mark.parametrize(
    "attrs", [{}, {"margin_bytes_per_s": "x", "memory_limit_bytes": None}, {"margin_bytes_per_s": -1}]
)
def test_a_frame_without_a_margin_has_that_of_1_mib_per_hour(attrs: dict[str, Any]) -> None:
    """A margin that is missing or no positive number is the default."""
    made = frame(T_S, FLAT)
    expected = judge_frame(made)
    made.attrs = dict[Any, Any](attrs)
    assert judge_frame(made)["reason"] == expected["reason"]


def test_the_limit_of_rss_is_met_by_rss() -> None:
    """With USS judged, the way to the limit is still that of RSS."""
    growing = 100 * MIB + 1e4 * T_S
    made = frame(T_S, growing + 50 * MIB, uss_bytes=growing)
    made.attrs["memory_limit_bytes"] = growing[-1] + 50 * MIB + 36e6
    found = judge_frame(made, detectable=False)
    assert found["verdict"] == LEAK
    assert found["oom_eta_low_s"] < 3600 < found["oom_eta_high_s"]


def test_a_margin_per_request_needs_requests() -> None:
    """Without requests nothing can be said per request; without a positive margin nothing at all."""
    assert judge_signal(readings(T_S, FLAT), Margin(per_request=100)).reason == (
        "the margin is per request, but request counts are not known"
    )
    for margin in (Margin(), Margin(per_s=0.0), Margin(per_s=math.nan)):
        assert judge_signal(readings(T_S, FLAT), margin).reason == "the margin is not a positive number"


def test_time_may_not_go_backwards_within_a_life() -> None:
    """A clock that was set back makes rates meaningless."""
    t_s = T_S.copy()
    t_s[300:] -= 600
    assert judge_signal(readings(t_s, FLAT), MARGIN).reason == "time goes backwards"
